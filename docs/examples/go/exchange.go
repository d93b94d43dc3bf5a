package main

import (
	"context"
	"io"

	pb "example/sluicev1"
)

// handler takes the answers to one request, but for its end.
type handler func(*pb.ExchangeResponse) error

// exchange is many requests on one stream.
type exchange struct {
	call     pb.TransferService_ExchangeClient
	limits   *pb.ExchangeLimits
	handlers map[uint32]handler
	lastID   uint32
}

// onStream opens an Exchange, runs task on it and closes it.
func onStream(client pb.TransferServiceClient, task func(*exchange) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call, err := client.Exchange(ctx)
	if err != nil {
		return callFailure(err, nil)
	}
	first, err := call.Recv()
	if err != nil {
		return callFailure(err, call.Trailer())
	}
	e := &exchange{call: call, limits: first.GetLimits(), handlers: map[uint32]handler{}}
	if err := task(e); err != nil {
		return err
	}
	return e.close()
}

// send leaves it to Recv to tell how the stream has ended, where it has.
func (e *exchange) send(request *pb.ExchangeRequest) error {
	if err := e.call.Send(request); err != nil && err != io.EOF {
		return callFailure(err, nil)
	}
	return nil
}

// ask sends a request under a new id.
func (e *exchange) ask(request *pb.ExchangeRequest, take handler) error {
	for len(e.handlers) >= int(e.limits.GetMaxRequests()) {
		if err := e.step(); err != nil {
			return err
		}
	}
	e.lastID++
	request.Id = e.lastID
	e.handlers[request.Id] = take
	return e.send(request)
}

func (e *exchange) grant(id uint32, bytes int) error {
	return e.send(&pb.ExchangeRequest{Id: id, Credit: int64(bytes)})
}

// step takes one answer. It returns the failure of a request.
func (e *exchange) step() error {
	answer, err := e.call.Recv()
	if err == io.EOF {
		return incomplete("the stream ended before its requests")
	}
	if err != nil {
		return callFailure(err, e.call.Trailer())
	}
	end := answer.GetEnd()
	if end == nil {
		return e.handlers[answer.Id](answer)
	}
	delete(e.handlers, answer.Id)
	if end.Failure != nil {
		return requestFailure(end.Failure)
	}
	return nil
}

// settle takes answers until every request has its end.
func (e *exchange) settle() error {
	for len(e.handlers) > 0 {
		if err := e.step(); err != nil {
			return err
		}
	}
	return nil
}

// close half-closes, and waits for the status of the call.
func (e *exchange) close() error {
	if err := e.call.CloseSend(); err != nil {
		return callFailure(err, nil)
	}
	for {
		_, err := e.call.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return callFailure(err, e.call.Trailer())
		}
	}
}
