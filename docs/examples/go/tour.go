package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	pb "example/sluicev1"

	"google.golang.org/protobuf/proto"
)

// tour makes every kind of request, on streams that may break.
func tour(client pb.TransferServiceClient, directory, to string) error {
	var files []*fileDownload
	progress := func() (sum int64) {
		for _, f := range files {
			sum += f.offset
		}
		return sum
	}
	onStreams := func(task func(*exchange) error) error {
		return persist(progress, func() error { return onStream(client, task) })
	}

	if err := onStreams(func(e *exchange) error { return writePack(e, directory) }); err != nil {
		return err
	}
	var entries []*pb.ListEntry
	err := onStreams(func(e *exchange) (err error) {
		entries, err = listFiles(e, directory)
		return err
	})
	if err != nil {
		return err
	}
	err = onStreams(func(e *exchange) error {
		first, err := stat(e, entries[0].Name)
		if err == nil && first.Version != entries[0].Version {
			return fmt.Errorf("%s has changed", first.Name)
		}
		return err
	})
	if err != nil {
		return err
	}

	if err := os.MkdirAll(to, 0o777); err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(to, filepath.Base(entry.Name))
		f, err := newFileDownload(entry.Name, path, entry.Version, entry.Size)
		if err != nil {
			return err
		}
		defer f.file.Close()
		files = append(files, f)
	}
	for len(missingOf(files)) > 0 {
		if err := onStreams(func(e *exchange) error { return readFiles(e, files) }); err != nil {
			return err
		}
	}
	for _, f := range files {
		fmt.Printf("%s: %d bytes\n", f.name, f.size)
	}
	return nil
}

func missingOf(files []*fileDownload) (missing []*fileDownload) {
	for _, f := range files {
		if !f.isComplete() {
			missing = append(missing, f)
		}
	}
	return missing
}

func writePack(e *exchange, directory string) error {
	pack := &pb.WritePackRequest{}
	for _, file := range []struct{ name, content string }{{"hello.txt", "hello\n"}, {"empty", ""}} {
		pack.Files = append(pack.Files, &pb.WrittenFile{
			FileName:  directory + "/" + file.name,
			Size:      int64(len(file.content)),
			Overwrite: pb.Overwrite_OVERWRITE_ALWAYS,
		})
		pack.Content = append(pack.Content, file.content...)
	}
	pack.Crc32 = proto.Uint32(crc32.ChecksumIEEE(pack.Content))
	request := &pb.ExchangeRequest{Request: &pb.ExchangeRequest_Write{Write: pack}}
	err := e.ask(request, func(answer *pb.ExchangeResponse) error {
		// Each file has a result of its own.
		for _, result := range answer.GetWritten().GetResults() {
			if result.Failure != nil {
				return requestFailure(result.Failure)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.settle()
}

func listFiles(e *exchange, directory string) (files []*pb.ListEntry, err error) {
	list := &pb.ListFilesRequest{Prefix: directory}
	request := &pb.ExchangeRequest{Credit: credit, Request: &pb.ExchangeRequest_List{List: list}}
	err = e.ask(request, func(answer *pb.ExchangeResponse) error {
		for _, entry := range answer.GetEntries().GetEntries() {
			if !entry.IsDirectory {
				files = append(files, entry)
			}
		}
		// The credit of a listing counts the bytes of encoded messages.
		return e.grant(answer.Id, proto.Size(answer.GetEntries()))
	})
	if err == nil {
		err = e.settle()
	}
	return files, err
}

func stat(e *exchange, name string) (info *pb.FileInfo, err error) {
	wanted := &pb.StatFileRequest{FileName: name}
	request := &pb.ExchangeRequest{Request: &pb.ExchangeRequest_Stat{Stat: wanted}}
	err = e.ask(request, func(answer *pb.ExchangeResponse) error {
		info = answer.GetInfo()
		return nil
	})
	if err == nil {
		err = e.settle()
	}
	return info, err
}

// ranged is a file or a pack.
type ranged interface {
	take(*pb.StreamFileResponse) error
	check() error
}

// readFiles reads small files in packs and large ones by themselves, all at the
// same time.
func readFiles(e *exchange, files []*fileDownload) error {
	var small, large []*fileDownload
	for _, f := range missingOf(files) {
		if f.mayBePacked && f.offset == 0 {
			small = append(small, f)
		} else {
			large = append(large, f)
		}
	}
	var asked []ranged
	ask := func(download ranged, request *pb.ExchangeRequest) error {
		asked = append(asked, download)
		request.Credit = credit
		return e.ask(request, func(answer *pb.ExchangeResponse) error {
			data := answer.GetData()
			if err := download.take(data); err != nil || len(data.GetChunk()) == 0 {
				return err
			}
			// Whoever has written a chunk is ready for as many bytes more.
			return e.grant(answer.Id, len(data.Chunk))
		})
	}

	packs := packsOf(small, e.limits)
	for _, pack := range packs {
		request := &pb.ExchangeRequest_ReadPack{ReadPack: pack.request()}
		if err := ask(pack, &pb.ExchangeRequest{Request: request}); err != nil {
			return err
		}
	}
	for _, f := range large {
		request := &pb.ExchangeRequest_Read{Read: f.request()}
		if err := ask(f, &pb.ExchangeRequest{Request: request}); err != nil {
			return err
		}
	}
	if err := e.settle(); err != nil {
		return err
	}
	for _, download := range asked {
		if err := download.check(); err != nil {
			return err
		}
	}
	for _, pack := range packs {
		if err := pack.unpack(); err != nil {
			return err
		}
	}
	return nil
}

func packsOf(files []*fileDownload, limits *pb.ExchangeLimits) (packs []*packDownload) {
	first, bytes := 0, int64(0)
	for at, f := range files {
		bytes += f.size
		if at > first && (at-first == int(limits.GetMaxPackFiles()) || bytes > limits.GetMaxPackSize()) {
			packs = append(packs, newPackDownload(files[first:at]))
			first, bytes = at, f.size
		}
	}
	if first < len(files) {
		packs = append(packs, newPackDownload(files[first:]))
	}
	return packs
}
