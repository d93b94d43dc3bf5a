// The plain contract of sluice served by grpc-go, the usual way: a file read
// into a buffer, a message for each buffer, stream.Send. The messages are
// encoded by hand, with the one copy that generated code makes as well, so
// that nothing but Debian's packages is needed to build it.
//
//	grpc-go-server DIRECTORY
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

const (
	defaultChunkBytes = 1 << 20
	maxChunkBytes     = 16 << 20
)

type fileSizeRequest struct{ fileName string }

type fileSizeResponse struct{ size int64 }

type streamRequest struct {
	start         int64
	chunkSize     int32
	fileName      string
	canDecompress bool
}

type streamResponse struct {
	chunk      []byte
	compressed bool
}

// codec encodes the four messages of the contract.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v interface{}) ([]byte, error) {
	switch m := v.(type) {
	case *fileSizeResponse:
		out := append(make([]byte, 0, 11), 1<<3)
		return appendVarint(out, uint64(m.size)), nil
	case *streamResponse:
		out := append(make([]byte, 0, len(m.chunk)+16), 1<<3|2)
		out = appendVarint(out, uint64(len(m.chunk)))
		out = append(out, m.chunk...)
		if m.compressed {
			out = append(out, 2<<3, 1)
		}
		return out, nil
	}
	return nil, fmt.Errorf("cannot encode %T", v)
}

func (codec) Unmarshal(data []byte, v interface{}) error {
	switch m := v.(type) {
	case *fileSizeRequest:
		return eachField(data, func(field int, number uint64, text []byte) {
			if field == 1 {
				m.fileName = string(text)
			}
		})
	case *streamRequest:
		return eachField(data, func(field int, number uint64, text []byte) {
			switch field {
			case 1:
				m.start = int64(number)
			case 2:
				m.chunkSize = int32(number)
			case 3:
				m.fileName = string(text)
			case 4:
				m.canDecompress = number != 0
			}
		})
	}
	return fmt.Errorf("cannot decode %T", v)
}

func appendVarint(out []byte, value uint64) []byte {
	var buffer [binary.MaxVarintLen64]byte
	return append(out, buffer[:binary.PutUvarint(buffer[:], value)]...)
}

// eachField calls visit for each varint and each length-delimited field.
func eachField(data []byte, visit func(field int, number uint64, text []byte)) error {
	for len(data) > 0 {
		key, n := binary.Uvarint(data)
		if n <= 0 {
			return errors.New("bad key")
		}
		data = data[n:]
		value, n := binary.Uvarint(data)
		if n <= 0 {
			return errors.New("bad value")
		}
		data = data[n:]
		switch key & 7 {
		case 0:
			visit(int(key>>3), value, nil)
		case 2:
			if value > uint64(len(data)) {
				return io.ErrUnexpectedEOF
			}
			visit(int(key>>3), 0, data[:value])
			data = data[value:]
		default:
			return fmt.Errorf("wire type %d", key&7)
		}
	}
	return nil
}

type server struct{ root string }

func (s *server) open(name string) (*os.File, int64, error) {
	path := filepath.Join(s.root, name)
	if !strings.HasPrefix(path, s.root+string(filepath.Separator)) {
		return nil, 0, status.Error(codes.InvalidArgument, "bad name")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, status.Error(codes.NotFound, "no such file")
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, status.Error(codes.Internal, err.Error())
	}
	return file, info.Size(), nil
}

func (s *server) getFileSize(request *fileSizeRequest) (*fileSizeResponse, error) {
	file, size, err := s.open(request.fileName)
	if err != nil {
		return nil, err
	}
	file.Close()
	return &fileSizeResponse{size}, nil
}

func (s *server) streamFile(request *streamRequest, stream grpc.ServerStream) error {
	file, size, err := s.open(request.fileName)
	if err != nil {
		return err
	}
	defer file.Close()
	if request.start > size {
		return status.Error(codes.OutOfRange, "start is beyond the end")
	}
	if _, err := file.Seek(request.start, io.SeekStart); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	compressed := request.canDecompress && isCompressible(request.fileName)
	buffer := make([]byte, chunkBytes(request.chunkSize))
	for {
		n, readErr := io.ReadFull(file, buffer)
		if n > 0 {
			message := &streamResponse{chunk: buffer[:n], compressed: compressed}
			if compressed {
				if message.chunk, err = compress(buffer[:n]); err != nil {
					return status.Error(codes.Internal, err.Error())
				}
			}
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
		if readErr == io.EOF || readErr == io.ErrUnexpectedEOF {
			return nil
		}
		if readErr != nil {
			return status.Error(codes.Internal, readErr.Error())
		}
	}
}

func chunkBytes(wish int32) int32 {
	if wish <= 0 {
		return defaultChunkBytes
	}
	if wish > maxChunkBytes {
		return maxChunkBytes
	}
	return wish
}

func isCompressible(name string) bool {
	switch filepath.Ext(name) {
	case ".txt", ".md", ".js", ".json", ".html", ".css", ".csv", ".xml":
		return true
	}
	return false
}

func compress(chunk []byte) ([]byte, error) {
	var out bytes.Buffer
	writer, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(chunk); err != nil {
		return nil, err
	}
	err = writer.Close()
	return out.Bytes(), err
}

// What protoc-gen-go-grpc generates, by hand.
var serviceDescription = grpc.ServiceDesc{
	ServiceName: "sluice.v1.TransferService",
	HandlerType: (*interface{})(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "GetFileSize",
		Handler: func(s interface{}, _ context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
			request := new(fileSizeRequest)
			if err := decode(request); err != nil {
				return nil, err
			}
			return s.(*server).getFileSize(request)
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName:    "StreamFile",
		ServerStreams: true,
		Handler: func(s interface{}, stream grpc.ServerStream) error {
			request := new(streamRequest)
			if err := stream.RecvMsg(request); err != nil {
				return err
			}
			return s.(*server).streamFile(request, stream)
		},
	}},
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: grpc-go-server DIRECTORY")
	}
	root, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	encoding.RegisterCodec(codec{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	grpcServer.RegisterService(&serviceDescription, &server{root})
	fmt.Printf("grpc-go is ready on %s\n", listener.Addr())
	log.Fatal(grpcServer.Serve(listener))
}
