package main

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"time"

	pb "example/sluicev1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// callError is how a call, or a request of an Exchange, failed.
type callError struct {
	code       codes.Code
	sluiceCode string
	message    string
}

func (e *callError) Error() string {
	return fmt.Sprintf("%v %s: %s", e.code, e.sluiceCode, e.message)
}

// callFailure adds the stable code of the trailers to the error of a call.
func callFailure(err error, trailer metadata.MD) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	failure := &callError{code: s.Code(), message: s.Message()}
	if found := trailer.Get("sluice-code"); len(found) > 0 {
		failure.sluiceCode = found[0]
	}
	return failure
}

// requestFailure is that of a request of an Exchange, or of one file of a pack.
func requestFailure(failure *pb.Failure) error {
	return &callError{codes.Code(failure.Code), failure.SluiceCode, failure.Message}
}

// incomplete says that bytes are damaged, or missing.
func incomplete(problem string) error {
	return &callError{codes.DataLoss, "CHECKSUM_MISMATCH", problem}
}

func sluiceCode(err error) string {
	var failure *callError
	if errors.As(err, &failure) {
		return failure.sluiceCode
	}
	return ""
}

// isPassing says whether to resume.
func isPassing(err error) bool {
	var failure *callError
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.sluiceCode {
	case "CANCELLED_BY_OPERATOR", "FILE_CHANGED", "QUOTA_EXCEEDED", "TOO_LARGE":
		return false
	case "CHECKSUM_MISMATCH":
		return true
	}
	switch failure.code {
	// Canceled, and not by this client: the stream was cut.
	case codes.Aborted, codes.Canceled, codes.DeadlineExceeded, codes.Internal,
		codes.ResourceExhausted, codes.Unavailable, codes.Unknown:
		return true
	}
	return false
}

const maxFailures = 10

// persist repeats attempt until it succeeds. Only failures without progress in
// between count.
func persist(progress func() int64, attempt func() error) error {
	const shortest, longest = 100 * time.Millisecond, 10 * time.Second
	failures, wait := 0, shortest
	for {
		before := progress()
		err := attempt()
		if err == nil || !isPassing(err) {
			return err
		}
		failures++
		if progress() != before {
			failures, wait = 0, shortest
		}
		if failures > maxFailures {
			return err
		}
		fmt.Fprintln(os.Stderr, "resuming after", err)
		time.Sleep(time.Duration(rand.Int63n(int64(wait))))
		if wait *= 2; wait > longest {
			wait = longest
		}
	}
}
