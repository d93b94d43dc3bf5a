"""tcp-copy.py SOURCE TARGET: the least that moving a file over a connection costs.

One process gives the file to the kernel (sendfile), the other writes what
comes to TARGET and syncs it. Nothing is framed, checked or encrypted.
"""

import os
import socket
import sys

PIECE_BYTES = 1 << 20

source, target = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
sender = os.fork()
if sender == 0:
    with socket.create_connection(listener.getsockname()) as connection, open(source, "rb") as file:
        connection.sendfile(file)
    os._exit(0)

connection, _ = listener.accept()
piece = memoryview(bytearray(PIECE_BYTES))
written = 0
file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
while received := connection.recv_into(piece, PIECE_BYTES, socket.MSG_WAITALL):
    while received:
        done = os.write(file, piece[:received])
        received -= done
        written += done
os.fdatasync(file)
_, status = os.waitpid(sender, 0)
if status != 0 or written != os.path.getsize(source):
    sys.exit("the copy is not whole")
