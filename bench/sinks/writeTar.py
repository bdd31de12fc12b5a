"""Writes an archive with tarfile, over and over, and prints the processor seconds of the fastest round: PATH MEMBERS BYTES ROUNDS."""
import io
import os
import sys
import time

import tarfile

path, members, size, rounds = sys.argv[1], *map(int, sys.argv[2:])
payload, facts = os.urandom(size), b'{}' * 150
best = float('inf')
for _ in range(rounds):
    start = time.process_time()
    with tarfile.open(path, 'w', format=tarfile.USTAR_FORMAT) as archive:
        for i in range(members):
            for extension, content in (('bin', payload), ('json', facts)):
                info = tarfile.TarInfo('00000-%08d.%s' % (i, extension))
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    best = min(best, time.process_time() - start)
print(best)
