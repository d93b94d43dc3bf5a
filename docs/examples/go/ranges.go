package main

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"

	pb "example/sluicev1"
)

// checkedRange takes the chunks of a range, in order, and verifies each.
type checkedRange struct {
	to      io.Writer
	start   int64
	offset  int64
	crc     uint32
	summary *pb.RangeSummary
}

func (r *checkedRange) begin(start int64) {
	r.start, r.offset, r.crc, r.summary = start, start, 0, nil
}

func (r *checkedRange) take(message *pb.StreamFileResponse) error {
	if message.Summary != nil {
		r.summary = message.Summary
		return nil
	}
	chunk := message.Chunk
	if len(chunk) == 0 {
		return nil
	}
	if message.Offset != r.offset {
		return incomplete("a chunk is missing")
	}
	if message.Crc32 == nil || *message.Crc32 != crc32.ChecksumIEEE(chunk) {
		return incomplete("a chunk is damaged")
	}
	if _, err := r.to.Write(chunk); err != nil {
		return err
	}
	r.offset += int64(len(chunk))
	r.crc = crc32.Update(r.crc, crc32.IEEETable, chunk)
	return nil
}

// verify is called after the status OK. A stream that ends proves nothing.
func (r *checkedRange) verify(size int64) error {
	if r.summary == nil || r.offset != size {
		return incomplete("the end is missing")
	}
	s := r.summary
	if s.Offset != r.start || s.Size != r.offset-r.start || s.Crc32 != r.crc {
		return incomplete("the range is damaged")
	}
	return nil
}

// fileDownload is one file, whose bytes may come in several ranges.
type fileDownload struct {
	checkedRange
	name    string
	version string
	size    int64
	file    *os.File
	// Until a pack could not have it.
	mayBePacked bool
}

// newFileDownload creates the file at path. Where the file was not listed,
// version is "" and size is -1.
func newFileDownload(name, path, version string, size int64) (*fileDownload, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	d := &fileDownload{name: name, version: version, size: size, file: file}
	d.to = file
	d.mayBePacked = size >= 0 && size <= smallFile
	return d, nil
}

func (d *fileDownload) isComplete() bool { return d.offset == d.size }

func (d *fileDownload) startOver() error {
	d.version, d.size, d.offset = "", -1, 0
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return err
}

// request asks for what is missing of the version that came before.
func (d *fileDownload) request() *pb.StreamFileRequest {
	d.begin(d.offset)
	return &pb.StreamFileRequest{
		FileName:      d.name,
		Start:         d.start,
		IfMatch:       d.version,
		WantChecksums: true,
	}
}

func (d *fileDownload) take(message *pb.StreamFileResponse) error {
	if message.File != nil {
		d.version, d.size = message.File.Version, message.File.Size
	}
	return d.checkedRange.take(message)
}

func (d *fileDownload) check() error { return d.verify(d.size) }

// packDownload is many small files as one sequence of bytes: for each file one
// byte, then its content.
type packDownload struct {
	checkedRange
	files   []*fileDownload
	content []byte
}

func newPackDownload(files []*fileDownload) *packDownload {
	d := &packDownload{files: files}
	d.to = d
	return d
}

func (d *packDownload) Write(chunk []byte) (int, error) {
	d.content = append(d.content, chunk...)
	return len(chunk), nil
}

func (d *packDownload) request() *pb.ReadPackRequest {
	d.begin(0)
	request := &pb.ReadPackRequest{WantChecksums: true}
	for _, f := range d.files {
		packed := &pb.PackedFile{FileName: f.name, Size: f.size, Version: f.version}
		request.Files = append(request.Files, packed)
	}
	return request
}

func (d *packDownload) check() error {
	size := int64(0)
	for _, f := range d.files {
		size += 1 + f.size
	}
	return d.verify(size)
}

func (d *packDownload) unpack() error {
	rest := d.content
	for _, f := range d.files {
		marker, content := rest[0], rest[1:1+f.size]
		rest = rest[1+f.size:]
		if marker != 0 {
			// A read of the file by itself says what is wrong.
			f.mayBePacked = false
			continue
		}
		if _, err := f.file.Write(content); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		f.offset = f.size
	}
	return nil
}
