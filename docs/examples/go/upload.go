package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	pb "example/sluicev1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

type uploading struct {
	client    pb.TransferServiceClient
	source    *os.File
	id        string
	size      int64
	chunkSize int32
	committed int64
}

func upload(client pb.TransferServiceClient, path, name string) error {
	source, err := os.Open(path)
	if err != nil {
		return err
	}
	defer source.Close()
	facts, err := source.Stat()
	if err != nil {
		return err
	}
	// Keep the id on a disk to resume after the end of this process.
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	u := &uploading{client: client, source: source, id: hex.EncodeToString(id), size: facts.Size()}
	progress := func() int64 { return u.committed }
	if err := persist(progress, func() error { return u.begin(name) }); err != nil {
		return err
	}
	crc, err := crc32Of(source)
	if err != nil {
		return err
	}
	return persist(progress, func() error { return u.attempt(crc) })
}

// begin may be repeated: the same request with the same id begins nothing new.
func (u *uploading) begin(name string) error {
	var trailer metadata.MD
	started, err := u.client.StartUpload(context.Background(), &pb.StartUploadRequest{
		FileName:  name,
		UploadId:  u.id,
		Expected:  &pb.Expected{Size: &u.size},
		Overwrite: pb.Overwrite_OVERWRITE_ALWAYS,
	}, grpc.Trailer(&trailer))
	if u.chunkSize = started.GetMaxChunkSize(); u.chunkSize == 0 {
		u.chunkSize = 64 * kib
	}
	return callFailure(err, trailer)
}

// attempt asks how far the upload has come, sends what is missing, and finishes.
func (u *uploading) attempt(crc uint32) error {
	state, err := u.ask()
	if err != nil {
		return err
	}
	file := state.File
	if !state.Complete {
		if err := u.sendRest(); err != nil {
			return err
		}
		if file, err = u.finish(crc); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d bytes\n", file.Name, file.Size)
	return nil
}

func (u *uploading) ask() (*pb.GetUploadStatusResponse, error) {
	var trailer metadata.MD
	request := &pb.GetUploadStatusRequest{UploadId: u.id, Sync: true}
	state, err := u.client.GetUploadStatus(context.Background(), request, grpc.Trailer(&trailer))
	if err != nil {
		return nil, callFailure(err, trailer)
	}
	u.committed = state.CommittedSize
	return state, nil
}

// finish may be repeated: a second call has the same result as the first.
func (u *uploading) finish(crc uint32) (*pb.FileInfo, error) {
	var trailer metadata.MD
	finished, err := u.client.FinishUpload(context.Background(), &pb.FinishUploadRequest{
		UploadId: u.id,
		Expected: &pb.Expected{Size: &u.size, Crc32: &crc},
	}, grpc.Trailer(&trailer))
	if err == nil {
		return finished.File, nil
	}
	failure := callFailure(err, trailer)
	if sluiceCode(failure) == "CONTENT_MISMATCH" {
		// Bytes that were not durable may have been lost: they are sent again.
		if state, err := u.ask(); err != nil || state.CommittedSize < u.size {
			return nil, incomplete("not all bytes are stored")
		}
	}
	return nil, failure
}

// sendRest ends with OK where all bytes have come. A server before a bucket keeps
// the rest of a part in memory until the finish.
func (u *uploading) sendRest() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call, err := u.client.UploadFile(ctx)
	if err != nil {
		return callFailure(err, nil)
	}
	// When the call has ended, CloseAndRecv tells how.
	if err := u.sendChunks(call); err != nil && err != io.EOF {
		return callFailure(err, nil)
	}
	_, err = call.CloseAndRecv()
	return callFailure(err, call.Trailer())
}

// sendChunks returns io.EOF when the call has ended.
func (u *uploading) sendChunks(call pb.TransferService_UploadFileClient) error {
	first := &pb.UploadFileRequest{UploadId: u.id, Offset: &u.committed}
	if err := call.Send(first); err != nil {
		return err
	}
	buffer := make([]byte, u.chunkSize)
	for at := u.committed; at < u.size; {
		n, err := u.source.ReadAt(buffer, at)
		if n == 0 {
			return fmt.Errorf("%s: %w", u.source.Name(), err)
		}
		crc := crc32.ChecksumIEEE(buffer[:n])
		if err := call.Send(&pb.UploadFileRequest{Chunk: buffer[:n], Crc32: &crc}); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

func crc32Of(source *os.File) (uint32, error) {
	if _, err := source.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	hash := crc32.NewIEEE()
	_, err := io.Copy(hash, source)
	return hash.Sum32(), err
}
