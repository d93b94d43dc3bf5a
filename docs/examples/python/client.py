"""A small client of sluice: download with resume, upload with resume, Exchange.

    client.py ADDRESS get NAME PATH      downloads NAME to PATH
    client.py ADDRESS put PATH NAME      uploads PATH as NAME
    client.py ADDRESS tour DIRECTORY TO  by Exchange: writes two small files into
                                         DIRECTORY, then reads all its files into TO
"""

import os
import queue
import random
import secrets
import sys
import time
import zlib

import grpc
from sluice.v1 import transfer_pb2 as pb
from sluice.v1 import transfer_pb2_grpc

KIB = 1024
# What one request may have in flight.
CREDIT = 256 * KIB
# Files up to this size go in packs.
SMALL_FILE = 64 * KIB

# The retries of gRPC would send a call again from its beginning, and its waits
# between attempts to connect grow to two minutes. A chunk is at most 64 MiB.
CHANNEL_OPTIONS = [
    ("grpc.enable_retries", 0),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.max_receive_message_length", 65 * KIB * KIB),
]

# Statuses after which a client resumes.
PASSING = {
    grpc.StatusCode.ABORTED,
    # Not by this client: the stream was cut.
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}
# Those that waiting does not help.
LASTING = {"CANCELLED_BY_OPERATOR", "FILE_CHANGED", "QUOTA_EXCEEDED", "TOO_LARGE"}
MAX_FAILURES = 10


class Failed(Exception):
    """A request of an Exchange ended with this failure."""

    def __init__(self, failure):
        super().__init__(f"{failure.sluice_code}: {failure.message}")
        self.status = next(code for code in grpc.StatusCode if code.value[0] == failure.code)
        self.sluice_code = failure.sluice_code


class Incomplete(Exception):
    """The bytes that came are damaged, or not all that were asked for."""


def check(condition, problem):
    if not condition:
        raise Incomplete(problem)


def sluice_code(error):
    if isinstance(error, Failed):
        return error.sluice_code
    if isinstance(error, grpc.RpcError):
        return dict(error.trailing_metadata() or ()).get("sluice-code", "")
    return ""


def is_passing(error):
    if isinstance(error, Incomplete):
        return True
    status = error.status if isinstance(error, Failed) else error.code()
    return status in PASSING and sluice_code(error) not in LASTING


def failure_name(error):
    return error.code().name if isinstance(error, grpc.RpcError) else str(error)


def persist(attempt, progress):
    """Repeats attempt() until it succeeds. Only failures without progress in between count."""
    failures = 0
    while True:
        before = progress()
        try:
            return attempt()
        except (grpc.RpcError, Failed, Incomplete) as error:
            failures = 0 if progress() != before else failures + 1
            if not is_passing(error) or failures > MAX_FAILURES:
                raise
            print(f"resuming after {failure_name(error)}", file=sys.stderr)
        time.sleep(random.uniform(0, min(10, 0.1 * 2**failures)))


class CheckedRange:
    """The chunks of a range, in order, each verified."""

    def begin(self, start):
        self.start = self.offset = start
        self.crc = 0
        self.summary = None

    def take(self, message):
        if message.HasField("summary"):
            self.summary = message.summary
        elif message.chunk:
            check(message.offset == self.offset, "a chunk is missing")
            check(message.crc32 == zlib.crc32(message.chunk), "a chunk is damaged")
            self.write(message.chunk)
            self.offset += len(message.chunk)
            self.crc = zlib.crc32(message.chunk, self.crc)

    def verify(self):
        """After the status OK. A stream that ends proves nothing."""
        check(self.summary is not None and self.offset == self.size, "the end is missing")
        sent = (self.summary.offset, self.summary.size, self.summary.crc32)
        check(sent == (self.start, self.offset - self.start, self.crc), "the range is damaged")


class FileDownload(CheckedRange):
    """One file, whose bytes may come in several ranges."""

    def __init__(self, name, path, version="", size=None):
        self.name = name
        self.file = open(path, "wb")
        self.write = self.file.write
        self.version, self.size = version, size
        self.offset = 0
        # Until a pack could not have it.
        self.may_be_packed = size is not None and size <= SMALL_FILE

    @property
    def is_complete(self):
        return self.offset == self.size

    def start_over(self):
        self.file.seek(0)
        self.file.truncate()
        self.version, self.size = "", None
        self.offset = 0

    def request(self):
        """Asks for what is missing of the version that came before."""
        self.begin(self.offset)
        return pb.StreamFileRequest(
            file_name=self.name, start=self.start, if_match=self.version, want_checksums=True
        )

    def take(self, message):
        if message.HasField("file"):
            self.version, self.size = message.file.version, message.file.size
        super().take(message)


class PackDownload(CheckedRange):
    """Many small files as one sequence of bytes: for each file one byte, then its content."""

    def __init__(self, files):
        self.files = files
        self.size = sum(1 + file.size for file in files)
        self.content = bytearray()
        self.write = self.content.extend

    def request(self):
        self.begin(0)
        files = [pb.PackedFile(file_name=f.name, size=f.size, version=f.version) for f in self.files]
        return pb.ReadPackRequest(files=files, want_checksums=True)

    def unpack(self):
        at = 0
        for file in self.files:
            end = at + 1 + file.size
            if self.content[at] == 0:
                file.file.write(self.content[at + 1 : end])
                file.offset = file.size
            else:
                # A read of the file by itself says what is wrong.
                file.may_be_packed = False
            at = end


def download(stub, name, path):
    file = FileDownload(name, path + ".part")

    def attempt():
        for message in stub.StreamFile(file.request()):
            file.take(message)
        file.verify()

    while True:
        try:
            persist(attempt, lambda: file.offset)
            break
        except grpc.RpcError as error:
            if sluice_code(error) not in ("VERSION_MISMATCH", "FILE_CHANGED"):
                raise
            file.start_over()
    file.file.close()
    os.replace(path + ".part", path)
    print(f"{path}: {file.size} bytes")


def upload(stub, path, name):
    size = os.path.getsize(path)
    # Keep the id on a disk to resume after the end of this process.
    upload_id = secrets.token_hex(16)
    committed = 0
    start = pb.StartUploadRequest(
        file_name=name,
        upload_id=upload_id,
        expected=pb.Expected(size=size),
        overwrite=pb.OVERWRITE_ALWAYS,
    )
    whole = pb.Expected(size=size, crc32=crc32_of(path))
    # The same request with the same id begins nothing new.
    started = persist(lambda: stub.StartUpload(start), lambda: committed)
    chunk_bytes = min(256 * KIB, started.max_chunk_size or 64 * KIB)

    def ask():
        nonlocal committed
        state = stub.GetUploadStatus(pb.GetUploadStatusRequest(upload_id=upload_id, sync=True))
        committed = state.committed_size
        return state

    def messages(source):
        source.seek(committed)
        yield pb.UploadFileRequest(upload_id=upload_id, offset=committed)
        while chunk := source.read(chunk_bytes):
            yield pb.UploadFileRequest(chunk=chunk, crc32=zlib.crc32(chunk))

    def attempt():
        state = ask()
        if state.complete:
            return state.file
        with open(path, "rb") as source:
            # A server before a bucket keeps the rest of a part until the finish.
            stub.UploadFile(messages(source))
        try:
            return stub.FinishUpload(pb.FinishUploadRequest(upload_id=upload_id, expected=whole)).file
        except grpc.RpcError as error:
            # Bytes that were not durable may have been lost: they are sent again.
            lost = sluice_code(error) == "CONTENT_MISMATCH" and ask().committed_size < size
            check(not lost, "not all bytes are stored")
            raise

    file = persist(attempt, lambda: committed)
    print(f"{file.name}: {file.size} bytes")


def crc32_of(path):
    crc = 0
    with open(path, "rb") as source:
        while piece := source.read(1024 * KIB):
            crc = zlib.crc32(piece, crc)
    return crc


class Exchange:
    """Many requests on one stream. Each has a handler, which takes its answers."""

    def __init__(self, stub):
        self.handlers = {}
        self.last_id = 0
        self.requests = queue.SimpleQueue()
        # None half-closes the stream.
        self.call = stub.Exchange(iter(self.requests.get, None))
        self.limits = self.next().limits

    def next(self):
        try:
            return next(self.call)
        except grpc.RpcError:
            self.requests.put(None)
            raise

    def ask(self, handler, credit=0, **request):
        while len(self.handlers) >= self.limits.max_requests:
            self.step()
        self.last_id += 1
        self.handlers[self.last_id] = handler
        self.requests.put(pb.ExchangeRequest(id=self.last_id, credit=credit, **request))

    def grant(self, request_id, credit):
        self.requests.put(pb.ExchangeRequest(id=request_id, credit=credit))

    def step(self):
        """Takes one answer. Raises the failure of a request."""
        answer = self.next()
        if not answer.HasField("end"):
            self.handlers[answer.id](answer)
            return
        del self.handlers[answer.id]
        if answer.end.HasField("failure"):
            raise Failed(answer.end.failure)

    def settle(self):
        """Takes answers until every request has its end."""
        while self.handlers:
            self.step()

    def close(self):
        """Half-closes, and waits for the status of the call."""
        self.requests.put(None)
        for _ in self.call:
            pass

    def cancel(self):
        self.requests.put(None)
        self.call.cancel()


def tour(stub, directory, to):
    """Every kind of request, on streams that may break."""
    files = []

    def on_stream(task, *arguments):
        def attempt():
            exchange = Exchange(stub)
            try:
                result = task(exchange, *arguments)
                exchange.close()
                return result
            finally:
                exchange.cancel()

        return persist(attempt, lambda: sum(file.offset for file in files))

    on_stream(write_pack, directory)
    entries = on_stream(list_files, directory)
    first = on_stream(stat, entries[0].name)
    check(first.version == entries[0].version, "the file has changed")

    os.makedirs(to, exist_ok=True)
    for entry in entries:
        path = os.path.join(to, os.path.basename(entry.name))
        files.append(FileDownload(entry.name, path, entry.version, entry.size))
    while not all(file.is_complete for file in files):
        on_stream(read_files, files)
    for file in files:
        file.file.close()
        print(f"{file.name}: {file.size} bytes")


def write_pack(exchange, directory):
    files = {f"{directory}/hello.txt": b"hello\n", f"{directory}/empty": b""}
    content = b"".join(files.values())
    written = [
        pb.WrittenFile(file_name=name, size=len(bytes), overwrite=pb.OVERWRITE_ALWAYS)
        for name, bytes in files.items()
    ]
    answers = []
    exchange.ask(
        answers.append,
        write=pb.WritePackRequest(files=written, content=content, crc32=zlib.crc32(content)),
    )
    exchange.settle()
    # Each file has a result of its own.
    for result in answers[0].written.results:
        if result.HasField("failure"):
            raise Failed(result.failure)


def list_files(exchange, directory):
    entries = []

    def take(answer):
        entries.extend(answer.entries.entries)
        # The credit of a listing counts the bytes of encoded messages.
        exchange.grant(answer.id, answer.entries.ByteSize())

    exchange.ask(take, credit=CREDIT, list=pb.ListFilesRequest(prefix=directory))
    exchange.settle()
    return [entry for entry in entries if not entry.is_directory]


def stat(exchange, name):
    answers = []
    exchange.ask(answers.append, stat=pb.StatFileRequest(file_name=name))
    exchange.settle()
    return answers[0].info


def read_files(exchange, files):
    """Small files in packs and large ones by themselves, all at the same time."""
    missing = [file for file in files if not file.is_complete]
    small = [file for file in missing if file.may_be_packed and file.offset == 0]
    large = [file for file in missing if file not in small]
    packs = packs_of(small, exchange.limits)

    def ask(download, kind):
        def take(answer):
            download.take(answer.data)
            # Whoever has written a chunk is ready for as many bytes more.
            if answer.data.chunk:
                exchange.grant(answer.id, len(answer.data.chunk))

        exchange.ask(take, credit=CREDIT, **{kind: download.request()})

    for pack in packs:
        ask(pack, "read_pack")
    for file in large:
        ask(file, "read")
    exchange.settle()
    for download in [*packs, *large]:
        download.verify()
    for pack in packs:
        pack.unpack()


def packs_of(files, limits):
    groups, bytes = [], 0
    for file in files:
        bytes += file.size
        if not groups or len(groups[-1]) == limits.max_pack_files or bytes > limits.max_pack_size:
            groups.append([])
            bytes = file.size
        groups[-1].append(file)
    return [PackDownload(group) for group in groups]


def main():
    address, command, source, target = sys.argv[1:]
    commands = {"get": download, "put": upload, "tour": tour}
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        commands[command](transfer_pb2_grpc.TransferServiceStub(channel), source, target)


if __name__ == "__main__":
    main()
