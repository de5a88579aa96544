# What every family's .pxi shares: NumPy's C API, the workers, and the checks that keep a kernel inside its arrays.
cimport cython
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer

from . import _runtime

cnp.import_array()

cdef extern from "simd.h" nogil:
    const int LANES_F32
    const int LANES_F64

cdef extern from "pool_api.h" nogil:
    ctypedef void (*fastnn_task)(void *context, Py_ssize_t index) noexcept nogil
    ctypedef struct fastnn_pool_api:
        void (*run)(fastnn_task task, void *context, Py_ssize_t count) noexcept nogil
        int (*threads)() noexcept nogil
        void *(*scratch)(size_t bytes) noexcept nogil
    const char *FASTNN_POOL_CAPSULE

cdef const fastnn_pool_api *pool = <const fastnn_pool_api *>PyCapsule_GetPointer(_runtime._pool_api, FASTNN_POOL_CAPSULE)

ctypedef fused real:
    float
    double

cdef int DENSE = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED


cdef int expect(cnp.ndarray array, str name, int typenum, Py_ssize_t size, bint written=False) except -1:
    """Raises ValueError unless array is dense, of that type and that many elements (and writeable where written)."""
    if (cnp.PyArray_TYPE(array) != typenum or cnp.PyArray_SIZE(array) != size
            or not cnp.PyArray_CHKFLAGS(array, DENSE) or cnp.PyArray_ISBYTESWAPPED(array)):
        raise ValueError(f"{name}: expected a dense array of {size} elements of {cnp.PyArray_DescrFromType(typenum)}, "
                         f"got shape {(<object>array).shape} of {(<object>array).dtype}")
    if written and not cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_WRITEABLE):
        raise ValueError(f"{name}: expected a writeable array, got a read-only one")
    return 0


cdef int floating(cnp.ndarray array, str name) except -1:
    """array's type number; raises ValueError unless it is float32 or float64."""
    cdef int typenum = cnp.PyArray_TYPE(array)
    if typenum != cnp.NPY_FLOAT and typenum != cnp.NPY_DOUBLE:
        raise ValueError(f"{name}: expected float32 or float64, got {(<object>array).dtype}")
    return typenum
