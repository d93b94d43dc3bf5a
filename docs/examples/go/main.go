// A small client of sluice: download with resume, upload with resume, Exchange.
//
//	client ADDRESS get NAME PATH      downloads NAME to PATH
//	client ADDRESS put PATH NAME      uploads PATH as NAME
//	client ADDRESS tour DIRECTORY TO  by Exchange: writes two small files into
//	                                  DIRECTORY, then reads all its files into TO
package main

import (
	"fmt"
	"os"
	"time"

	pb "example/sluicev1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	kib = 1024
	// What one request may have in flight.
	credit = 256 * kib
	// Files up to this size go in packs.
	smallFile = 64 * kib
	// A chunk of at most 64 MiB, and what is around it.
	maxMessage = 65 * kib * kib
)

var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 10 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	commands := map[string]func(pb.TransferServiceClient, string, string) error{
		"get":  download,
		"put":  upload,
		"tour": tour,
	}
	if len(args) != 4 || commands[args[1]] == nil {
		return fmt.Errorf("usage: client ADDRESS get|put|tour SOURCE TARGET")
	}
	connection, err := grpc.Dial(args[0],
		grpc.WithInsecure(),
		// The retries of gRPC would send a call again from its beginning.
		grpc.WithDisableRetry(),
		// Its waits between attempts to connect grow to two minutes.
		grpc.WithConnectParams(connecting),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	return commands[args[1]](pb.NewTransferServiceClient(connection), args[2], args[3])
}
