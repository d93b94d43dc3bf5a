package main

import (
	"context"
	"fmt"
	"io"
	"os"

	pb "example/sluicev1"
)

func download(client pb.TransferServiceClient, name, path string) error {
	d, err := newFileDownload(name, path+".part", "", -1)
	if err != nil {
		return err
	}
	defer d.file.Close()
	progress := func() int64 { return d.offset }
	for {
		err = persist(progress, func() error { return downloadRest(client, d) })
		code := sluiceCode(err)
		if code != "VERSION_MISMATCH" && code != "FILE_CHANGED" {
			break
		}
		// What has come belongs to another version.
		if err := d.startOver(); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes\n", path, d.size)
	return os.Rename(path+".part", path)
}

func downloadRest(client pb.TransferServiceClient, d *fileDownload) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call, err := client.StreamFile(ctx, d.request())
	if err != nil {
		return callFailure(err, nil)
	}
	for {
		message, err := call.Recv()
		if err == io.EOF {
			return d.check()
		}
		if err != nil {
			return callFailure(err, call.Trailer())
		}
		if err := d.take(message); err != nil {
			return err
		}
	}
}
