#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Segments from Python: no wrapper in C, only what the shared library exports.

    LD_LIBRARY_PATH=/usr/local/lib python3 segpool_ctypes.py
"""
import ctypes
import errno
import os

ALL_CLASSES = 0xFFFFFFFF
SET_PHYSICAL = 1 << 1


class Limits(ctypes.Structure):
    """struct segpool_limits"""
    _fields_ = [
        ("virtual_budget", ctypes.c_uint64),
        ("physical_budget", ctypes.c_uint64),
        ("retain_limit", ctypes.c_uint64),
        ("retain_age_ms", ctypes.c_uint32),
        ("watermark", ctypes.c_uint32),
    ]


def load():
    """The library, with what its functions take and return."""
    library = ctypes.CDLL("libsegpool.so.0", use_errno=True)
    pool, segment = ctypes.c_void_p, ctypes.c_void_p
    u32, u64 = ctypes.c_uint32, ctypes.c_uint64
    for name, result, *arguments in (
            ("segpool_open", ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(pool)),
            ("segpool_close", None, pool),
            ("segpool_backend_name", ctypes.c_char_p, pool),
            ("segpool_set_budget", ctypes.c_int, pool, u32, ctypes.POINTER(Limits)),
            ("segpool_alloc", segment, pool, ctypes.c_size_t),
            ("segpool_free", ctypes.c_int, pool, segment),
            ("segpool_usable_size", ctypes.c_size_t, pool, segment),
            ("segpool_segment_stat", ctypes.c_int, pool, u32, ctypes.POINTER(u64), u32),
            ("segpool_segment_counter_name", ctypes.c_char_p, u32),
            ("segpool_strerror", ctypes.c_char_p, pool, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Pool:
    """A pool with so much memory; close it when nobody uses its segments any more."""

    def __init__(self, physical_budget):
        self.library = load()
        self.pool = ctypes.c_void_p()
        self.check(self.library.segpool_open(None, ctypes.byref(self.pool)))
        limits = Limits(physical_budget=physical_budget)
        self.check(self.library.segpool_set_budget(self.pool, SET_PHYSICAL, ctypes.byref(limits)))

    def check(self, error):
        """An exception, with the library's own sentence, where a call was refused."""
        if error < 0:
            why = ctypes.create_string_buffer(256)
            self.library.segpool_strerror(self.pool, error, why, len(why))
            raise OSError(-error, why.value.decode())

    def backend(self):
        return self.library.segpool_backend_name(self.pool).decode()

    def alloc(self, size):
        """The address of a segment, and its bytes as a memoryview, which can be read into and sliced."""
        address = self.library.segpool_alloc(self.pool, size)
        if not address:
            self.check(-ctypes.get_errno())
        size = self.library.segpool_usable_size(self.pool, address)
        return address, memoryview((ctypes.c_char * size).from_address(address)).cast("B")

    def free(self, address):
        self.check(self.library.segpool_free(self.pool, address))

    def counters(self):
        values = (ctypes.c_uint64 * 64)()
        count = self.library.segpool_segment_stat(self.pool, ALL_CLASSES, values, len(values))
        self.check(count)
        names = (self.library.segpool_segment_counter_name(i).decode() for i in range(count))
        return dict(zip(names, values))

    def close(self):
        self.library.segpool_close(self.pool)


def main():
    pool = Pool(16 << 20)
    taken = []
    try:
        # A file, read straight into a segment.
        address, view = pool.alloc(100000)
        with open(__file__, "rb", buffering=0) as file:
            length = file.readinto(view)
        assert view[:length].tobytes().startswith(b"#!/usr/bin/python3\n")
        assert len(view) == 131072 and address % len(view) == 0
        taken.append(address)
        try:
            while True:
                taken.append(pool.alloc(256 << 10)[0])
        except OSError as refusal:
            assert refusal.errno == errno.ENOMEM, refusal
            print(refusal.strerror)
        counters = pool.counters()
        assert counters["live"] == len(taken) and counters["asked_bytes"] < counters["live_bytes"]
        for address in taken:
            pool.free(address)
        try:
            pool.free(taken[0])
            raise AssertionError("a second free went unnoticed")
        except OSError as refusal:
            assert refusal.errno == errno.EALREADY, refusal
        counters = pool.counters()
        assert counters["live"] == 0 and counters["double_frees"] == 1
    finally:
        backend = pool.backend()
        pool.close()
    print(f"{backend} pool, {len(taken)} segments, {os.path.basename(__file__)}: good")


if __name__ == "__main__":
    main()
