# cython: boundscheck=False, wraparound=False, nonecheck=False, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The SSE codec, compiled. `xiaoer.pure.sse` is its specification, and reads what `chat_delta` finds unusual."""

import msgspec

cimport cython
from cpython.bytearray cimport PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_DecodeUTF8, PyUnicode_New
from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcmp, memcpy

from xiaoer.errors import EventTooLarge
from xiaoer.pure.sse import chat_delta as _chat_delta_by_msgspec

cdef object _string_by_msgspec = msgspec.json.Decoder(str).decode

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object text) noexcept
    enum: PyUnicode_4BYTE_KIND
    str PyUnicode_FromKindAndData(int kind, const void* units, Py_ssize_t length)

cdef enum:
    RETRY_DIGITS = 18  # what fits into 64 bits


@cython.final
@cython.freelist(256)
@cython.no_gc  # nothing in it can refer back to it
cdef class SSEEvent:
    """One event of a stream.

    `data` are its data lines joined by LF, as they came: not checked to be UTF-8. `event` is its type,
    "message" where none was given. `id` is the last id that the stream has named up to this event, "" for none.
    `retry` is the reconnection time in milliseconds, where this event's own block set one.
    """

    cdef readonly bytes data
    cdef readonly str event
    cdef readonly str id
    cdef readonly object retry

    __match_args__ = ("data", "event", "id", "retry")

    def __init__(self, bytes data not None, str event not None="message", str id not None="", retry=None):
        self.data = data
        self.event = event
        self.id = id
        if retry is not None and type(retry) is not int:
            if not isinstance(retry, int):
                raise TypeError(f"retry must be int or None, not {type(retry).__name__}")
            retry = int.__int__(retry)  # an int of somebody's own may hold anything
        self.retry = retry

    def __repr__(self):
        return f"SSEEvent(data={self.data!r}, event={self.event!r}, id={self.id!r}, retry={self.retry!r})"

    def __eq__(self, other):
        if type(other) is not SSEEvent:
            return NotImplemented
        return _fields(self) == _fields(<SSEEvent>other)

    def __hash__(self):
        return hash(_fields(self))

    def __reduce__(self):
        return SSEEvent, _fields(self)


cdef extern from *:
    """
    #include <structmember.h>
    /* The interpreter reads members of this kind without a call; Cython makes functions of its `readonly`. */
    static PyMemberDef xiaoer_members[] = {
        {"data", T_OBJECT_EX, 0, READONLY, NULL},
        {"event", T_OBJECT_EX, 0, READONLY, NULL},
        {"id", T_OBJECT_EX, 0, READONLY, NULL},
        {"retry", T_OBJECT_EX, 0, READONLY, NULL},
    };
    static int xiaoer_make_member(PyObject *type, int number, Py_ssize_t offset) {
        PyTypeObject *of = (PyTypeObject *)type;
        PyMemberDef *member = &xiaoer_members[number];
        member->offset = offset;
        PyObject *descriptor = PyDescr_NewMember(of, member);
        if (!descriptor) return -1;
        int failed = PyDict_SetItemString(of->tp_dict, member->name, descriptor);
        Py_DECREF(descriptor);
        PyType_Modified(of);
        return failed;
    }
    """
    int xiaoer_make_member(object type, int number, Py_ssize_t offset) except -1


cdef int _make_members() except -1:
    """The fields follow the object's head one after the other, in the order in which they are declared."""
    cdef int number
    if SSEEvent.__basicsize__ != sizeof(PyObject) + 4 * sizeof(PyObject*):
        raise SystemError("SSEEvent is not laid out as expected")
    for number in range(4):
        xiaoer_make_member(SSEEvent, number, sizeof(PyObject) + number * sizeof(PyObject*))
    return 0


_make_members()


cdef tuple _fields(SSEEvent event):
    return event.data, event.event, event.id, event.retry


@cython.final
cdef class SSEDecoder:
    """Takes a stream in chunks, cut anywhere, and gives its events.

    Lines end with CR, LF or CRLF, each as soon as it can be told. A leading BOM and comments are dropped, an
    `id` with NUL or a `retry` that isn't 1 to 18 ASCII digits is ignored, and a block without a `data` line
    gives no event. What the stream's end cuts off is no event either, so there is no flush.

    Args:
        max_event_bytes: Most bytes that one event's data (its lines joined) and the line being read may
            have together. What a decoder holds is at most some three times as much.

    Attributes:
        last_event_id: Id to resume the stream at: the last one of a complete block, "" for none.
        retry: Reconnection time in milliseconds that the stream last asked for, or None.

    Raises:
        ValueError: `max_event_bytes` is less than 1.
    """

    cdef readonly Py_ssize_t max_event_bytes
    cdef readonly str last_event_id
    cdef readonly object retry
    cdef bint _started  # past the BOM
    cdef bytes _bom  # what may become one
    cdef bint _broken
    cdef bint _in_block  # a line of the block that counts has been read
    cdef bint _after_cr  # a LF that comes next belongs to the line already ended
    cdef bytearray _partial  # the line being read, as far as earlier chunks had it
    cdef bytes _data  # of the block: its first data line, or None
    cdef bytearray _lines  # of the block: all data lines joined, from the second on
    cdef str _event, _id
    cdef object _retry
    cdef Py_ssize_t _held  # bytes of the block's data lines and a line end for each

    def __cinit__(self, Py_ssize_t max_event_bytes=1 << 20):
        if max_event_bytes < 1:
            raise ValueError(f"max_event_bytes must be 1 or more, not {max_event_bytes}")
        self.max_event_bytes = max_event_bytes
        self.last_event_id = ""
        self._bom = b""
        self._partial = bytearray()
        self._event = ""
        self._id = ""

    def feed(self, chunk):
        """Gives the events that `chunk` (any bytes-like object) completes, in order.

        Raises:
            EventTooLarge: An event is over the limit; its `events` are those completed before. The decoder
                takes nothing more: every later feed raises it again.
        """
        cdef list events
        cdef bytes data = chunk if type(chunk) is bytes else bytes(memoryview(chunk))
        if self._broken:
            raise self._too_large([])
        if not self._started:
            data = self._past_bom(data)
        cdef const char* text = PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t start = 0, end, lf = -1, cr = -1
        if self._after_cr and size:
            self._after_cr = False
            start = text[0] == c"\n"
        # First what nearly every chunk is: whole events of one data line each.
        events = None
        if start < size and not self._in_block and not PyByteArray_GET_SIZE(self._partial):
            cr = _find(text, start, size, c"\r")
            while True:
                end = _short_event(text, start, size, cr)
                if end < 0 or end - start > self.max_event_bytes:
                    break
                self.last_event_id = self._id
                event = _event(text + start + 5, end - start - 5, self._id)
                start = end + 2
                if events is not None:
                    events.append(event)
                else:
                    events = [event]
                if start == size:
                    return events
        if events is None:
            events = []
        while True:
            # Each kind of line end is searched once past the last one found, so that a chunk is read twice at most.
            if lf < start:
                lf = _find(text, start, size, c"\n")
            if cr < start:
                cr = _find(text, start, size, c"\r")
            end = min(lf, cr)
            if end == size:
                break
            self._complete(text + start, end - start, events)
            start = end + 1
            if end == cr:
                if start == size:
                    self._after_cr = True
                elif text[start] == c"\n":
                    start += 1
        self._check(len(self._partial) + size - start, events)
        if start < size:
            self._partial += data[start:]
        return events

    cdef bytes _past_bom(self, bytes data):
        """What is left of the stream's beginning, once it is long enough to have a BOM or not."""
        self._bom += data
        if b"\xef\xbb\xbf".startswith(self._bom):
            return b""
        self._started = True
        return self._bom.removeprefix(b"\xef\xbb\xbf")

    cdef int _complete(self, const char* text, Py_ssize_t size, list events) except -1:
        """A line has ended; its beginning may be in an earlier chunk."""
        if not self._partial:
            return self._line(text, size, events)
        self._check(len(self._partial) + size, events)
        self._partial += text[:size]
        cdef bytes line = bytes(self._partial)
        self._partial.clear()
        return self._line(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line), events)

    cdef int _line(self, const char* line, Py_ssize_t size, list events) except -1:
        cdef Py_ssize_t colon, value
        self._check(size, events)
        if size == 0:
            self._dispatch(events)
            return 0
        colon = _find(line, 0, size, c":")
        value = min(colon + 1, size)
        if value < size and line[value] == c" ":
            value += 1
        if colon == 4 and memcmp(line, b"data", 4) == 0:
            self._in_block = True
            self._add_data(line + value, size - value)
        elif colon == 5 and memcmp(line, b"event", 5) == 0:
            self._in_block = True
            self._event = PyUnicode_DecodeUTF8(line + value, size - value, b"replace")
        elif colon == 2 and memcmp(line, b"id", 2) == 0:
            if memchr(line + value, 0, size - value) is NULL:
                self._id = PyUnicode_DecodeUTF8(line + value, size - value, b"replace")
        elif colon == 5 and memcmp(line, b"retry", 5) == 0:
            self._set_retry(line + value, size - value)
        return 0

    cdef int _add_data(self, const char* value, Py_ssize_t size) except -1:
        self._held += size + 1
        if self._data is None:
            self._data = PyBytes_FromStringAndSize(value, size)
            return 0
        if self._lines is None:
            self._lines = bytearray(self._data)
        self._lines += b"\n"
        self._lines += value[:size]
        return 0

    cdef int _set_retry(self, const char* value, Py_ssize_t size) except -1:
        cdef long long milliseconds = 0
        cdef Py_ssize_t i
        if not 1 <= size <= RETRY_DIGITS:
            return 0
        for i in range(size):
            if not c"0" <= value[i] <= c"9":
                return 0
            milliseconds = milliseconds * 10 + (value[i] - c"0")
        self.retry = self._retry = milliseconds
        self._in_block = True
        return 0

    cdef int _dispatch(self, list events) except -1:
        cdef SSEEvent event
        self.last_event_id = self._id
        if self._data is not None:
            event = SSEEvent.__new__(SSEEvent)
            event.data = self._data if self._lines is None else bytes(self._lines)
            event.event = self._event or "message"
            event.id = self._id
            event.retry = self._retry
            events.append(event)
        self._start_block()
        return 0

    cdef void _start_block(self) noexcept:
        self._in_block = False
        self._data = None
        self._lines = None
        self._event = ""
        self._retry = None
        self._held = 0

    cdef inline int _check(self, Py_ssize_t line, list events) except -1:
        if self._held + line > self.max_event_bytes:
            self._broken = True
            raise self._too_large(events)
        return 0

    cdef object _too_large(self, list events):
        self._partial.clear()
        self._start_block()
        return EventTooLarge(f"an event of the stream is over {self.max_event_bytes} bytes", events)


cdef inline Py_ssize_t _short_event(const char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t cr) noexcept nogil:
    """End of the line that starts here, if it is an event with the empty line after it, and ends with LF; or -1."""
    cdef Py_ssize_t end
    if size - start < 7 or memcmp(text + start, b"data:", 5) != 0:
        return -1
    end = _find(text, start + 5, size, c"\n")
    return end if end + 1 < size and text[end + 1] == c"\n" and end < cr else -1


cdef inline SSEEvent _event(const char* value, Py_ssize_t size, str id):
    cdef SSEEvent event = SSEEvent.__new__(SSEEvent)
    if size and value[0] == c" ":
        value += 1
        size -= 1
    event.data = PyBytes_FromStringAndSize(value, size)
    event.event = "message"
    event.id = id
    return event


cdef inline Py_ssize_t _find(const char* text, Py_ssize_t start, Py_ssize_t size, char wanted) noexcept nogil:
    """Where `wanted` first stands from `start` on; `size` where it doesn't."""
    cdef const char* found = <const char*>memchr(text + start, wanted, size - start)
    return size if found is NULL else found - text


def encode_sse(data, event=None, id=None):
    """One event as it goes on the wire: `event` and `id` if given, one `data` line for each line of `data`.

    Lines are cut at CR, LF and CRLF, which all arrive as LF. Text is sent in UTF-8.

    Raises:
        ValueError: `event` or `id` has a line end, or `id` a NUL (a reader would ignore it); as
            UnicodeEncodeError: a text has lone surrogates.
    """
    cdef Frame frame
    cdef bytes head, body
    frame.head_size = 0
    if not (_is_simple(event, &frame.event, &frame.event_size) and _is_simple(id, &frame.id, &frame.id_size)):
        head = _field("event", event, "\r\n") + _field("id", id, "\r\n\0")
        frame.head = PyBytes_AS_STRING(head)
        frame.head_size = PyBytes_GET_SIZE(head)
        frame.event = frame.id = NULL
    if isinstance(data, bytes):
        return _encode(&frame, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    if not isinstance(data, str):
        raise TypeError(f"data must be bytes or str, not {type(data).__name__}")
    if PyUnicode_IS_ASCII(data):
        return _encode(&frame, <const char*>PyUnicode_1BYTE_DATA(data), PyUnicode_GET_LENGTH(data))
    body = (<str>data).encode("utf-8")
    return _encode(&frame, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))


cdef struct Frame:  # what comes before the data: whole, or as values of fields; NULL: no such field
    const char* head
    Py_ssize_t head_size
    const char* event
    Py_ssize_t event_size
    const char* id
    Py_ssize_t id_size


cdef inline bint _is_simple(value, const char** text, Py_ssize_t* size):
    """None, or a string that goes on the wire as it lies in memory."""
    cdef Py_ssize_t i
    text[0] = NULL
    if value is None:
        return True
    if type(value) is not str or not PyUnicode_IS_ASCII(value):
        return False
    text[0] = <const char*>PyUnicode_1BYTE_DATA(value)
    size[0] = PyUnicode_GET_LENGTH(value)
    for i in range(size[0]):
        if text[0][i] in (c"\n", c"\r", c"\0"):
            return False
    return True


cdef bytes _field(str name, value, str forbidden):
    if value is None:
        return b""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str or None, not {type(value).__name__}")
    for character in forbidden:
        if character in <str>value:
            raise ValueError(f"{name} must not contain {character!r}")
    return f"{name}: {value}\n".encode("utf-8")


cdef inline char* _put(char* to, const char* text, Py_ssize_t size) noexcept nogil:
    memcpy(to, text, size)
    return to + size


cdef inline char* _put_data(char* to, const char* line, Py_ssize_t size) noexcept nogil:
    to = _put(_put(to, b"data: ", 6), line, size)
    to[0] = c"\n"
    return to + 1


cdef bytes _encode(const Frame* frame, const char* body, Py_ssize_t size):
    # Every line has 7 bytes of its own on the wire ("data: " and LF), and the event one LF more; a line end of
    # the body is one or two bytes and is not copied.
    cdef Py_ssize_t start = 0, end, total = frame.head_size + 1
    cdef bint one_line = _line_end(body, 0, size) == size
    if frame.event is not NULL:
        total += frame.event_size + 8
    if frame.id is not NULL:
        total += frame.id_size + 5
    if one_line:
        total += size + 7
        start = size + 1
    while start <= size:
        end = _line_end(body, start, size)
        total += end - start + 7
        start = _after_line_end(body, end, size)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, total)
    cdef char* to = PyBytes_AS_STRING(result)
    if frame.head_size:
        to = _put(to, frame.head, frame.head_size)
    if frame.event is not NULL:
        to = _put(_put(_put(to, b"event: ", 7), frame.event, frame.event_size), b"\n", 1)
    if frame.id is not NULL:
        to = _put(_put(_put(to, b"id: ", 4), frame.id, frame.id_size), b"\n", 1)
    if one_line:
        to = _put_data(to, body, size)
    else:
        start = 0
        while start <= size:
            end = _line_end(body, start, size)
            to = _put_data(to, body + start, end - start)
            start = _after_line_end(body, end, size)
    to[0] = c"\n"
    return result


cdef inline Py_ssize_t _line_end(const char* body, Py_ssize_t start, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t lf = _find(body, start, size, c"\n")
    return _find(body, start, lf, c"\r")


cdef inline Py_ssize_t _after_line_end(const char* body, Py_ssize_t end, Py_ssize_t size) noexcept nogil:
    """Start of the line after the one that ends at `end`; more than `size` after the last."""
    if end + 1 < size and body[end] == c"\r" and body[end + 1] == c"\n":
        return end + 2
    return end + 1


cdef extern from "json_text.h":
    enum: XIAOER_TEXT
    int xiaoer_text(const char* at, size_t size, uint32_t* units) noexcept nogil

cdef extern from "delta.h":
    ctypedef struct xiaoer_delta:
        const char* content
        size_t size
        bint plain
        bint escaped
        bint foreign
    bint xiaoer_find_delta(const char* text, size_t size, xiaoer_delta* delta) noexcept nogil
    void xiaoer_choose() noexcept nogil

xiaoer_choose()


def chat_delta(bytes data not None):
    """The text that one chunk of an OpenAI-compatible stream adds: `choices[0].delta.content`.

    None where it is null or anything on the way to it is null, missing or empty. As in every JSON reader, the
    last of equal keys counts. The stream's end mark `[DONE]` is not JSON; test for it first.

    Raises:
        InvalidDelta: Not a JSON object in UTF-8, or something on the way has the wrong type.
    """
    cdef xiaoer_delta delta
    if not xiaoer_find_delta(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), &delta):
        return _chat_delta_by_msgspec(data)
    if delta.plain and not delta.foreign:
        return _ascii(delta.content, delta.size)
    cdef uint32_t units[XIAOER_TEXT]
    cdef int length = -1
    if delta.content is not NULL and not delta.foreign:
        length = xiaoer_text(delta.content, delta.size, units)
    if length < 0:
        return _unusual_text(data, &delta)
    return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, units, length)


cdef inline str _ascii(const char* text, Py_ssize_t size):
    if size < 2:
        return PyUnicode_DecodeUTF8(text, size, NULL)  # these are made once and for all
    result = PyUnicode_New(size, 0x7F)
    memcpy(PyUnicode_1BYTE_DATA(result), text, size)
    return result


cdef object _unusual_text(bytes data, xiaoer_delta* delta):
    try:
        if delta.foreign:
            PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL)
        if delta.content is NULL:
            return None
        if delta.escaped:
            return _string_by_msgspec(PyBytes_FromStringAndSize(delta.content - 1, delta.size + 2))
        return PyUnicode_DecodeUTF8(delta.content, delta.size, NULL)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _chat_delta_by_msgspec(data)
