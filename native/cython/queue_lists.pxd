"""The lists that a queue is made of: tickets in lanes, lanes in rings, tickets of a level by age.

All links are plain pointers. Who holds what alive: the queue owns one reference to the ticket around each `Node`
in it, and the node's item; a level owns one to the object around each of its `Lane`s, `nobody` excepted.
Nothing in this file runs Python code.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t


cdef struct Node:  # all that a ticket has, behind its head
    PyObject* tenant  # owned by the ticket; NULL: none, or one that the garbage collector must see
    PyObject* item  # NULL: it doesn't wait any more
    uint64_t queue  # the number of the queue where it waits; 0: it doesn't
    Py_ssize_t priority
    Py_ssize_t level
    double born  # when it was put
    double since  # when it came to the level where it stands
    Lane* lane
    Node* ahead  # in the lane
    Node* behind
    Node* older  # in the level, where there is ageing
    Node* younger


cdef struct Lane:  # what one tenant has waiting in one level
    PyObject* owner  # the object around it; NULL for `nobody`
    PyObject* tenant
    Node* first
    Node* last
    Lane* following  # in the ring
    Lane* preceding


cdef struct Level:
    Lane nobody  # of items without a tenant
    Lane* turn  # ring of the lanes with something in them, whose turn is next
    Lane* idle  # ring of lanes kept though they are empty, the one longest so first
    Py_ssize_t idlers
    Lane* recent  # the tenant's lane looked up last
    PyObject* lanes  # dict: tenant → object around its lane; NULL: there has been no tenant yet
    Node* oldest
    Node* youngest
    Py_ssize_t depth  # from here on by the priority an item was put with
    Py_ssize_t taken
    Py_ssize_t cancelled
    Py_ssize_t promoted
    double waited
    double longest


cdef inline PyObject* ticket_of(Node* node) noexcept nogil:
    return <PyObject*>(<char*>node - sizeof(PyObject))


cdef inline void append(Lane* lane, Node* node) noexcept nogil:
    node.lane = lane
    node.ahead = lane.last
    node.behind = NULL
    if lane.last is NULL:
        lane.first = node
    else:
        lane.last.behind = node
    lane.last = node


cdef inline void remove(Lane* lane, Node* node) noexcept nogil:
    if node.ahead is NULL:
        lane.first = node.behind
    else:
        node.ahead.behind = node.behind
    if node.behind is NULL:
        lane.last = node.ahead
    else:
        node.behind.ahead = node.ahead


cdef inline void append_age(Level* level, Node* node) noexcept nogil:
    node.older = level.youngest
    node.younger = NULL
    if level.youngest is NULL:
        level.oldest = node
    else:
        level.youngest.younger = node
    level.youngest = node


cdef inline void remove_age(Level* level, Node* node) noexcept nogil:
    if node.older is NULL:
        level.oldest = node.younger
    else:
        node.older.younger = node.younger
    if node.younger is NULL:
        level.youngest = node.older
    else:
        node.younger.older = node.older


cdef inline void join(Lane** ring, Lane* lane) noexcept nogil:
    """Its turn comes last."""
    cdef Lane* head = ring[0]
    if head is NULL:
        ring[0] = lane.following = lane.preceding = lane
        return
    lane.following = head
    lane.preceding = head.preceding
    head.preceding.following = lane
    head.preceding = lane


cdef inline void leave(Lane** ring, Lane* lane) noexcept nogil:
    if lane.following is lane:
        ring[0] = NULL
    else:
        lane.following.preceding = lane.preceding
        lane.preceding.following = lane.following
        if ring[0] is lane:
            ring[0] = lane.following
    lane.following = NULL
