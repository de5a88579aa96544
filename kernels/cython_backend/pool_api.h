/* What the kernels may ask of the process-wide workers; _runtime.pyx fills the table, each ISA module borrows it. */
#ifndef FASTNN_POOL_API_H
#define FASTNN_POOL_API_H

#include <stddef.h>

typedef void (*fastnn_task)(void *context, ptrdiff_t index);

typedef struct {
    /* Calls task(context, i) once for every i in [0, count), on the workers and the caller, and returns when all
     * are done. A nested or second concurrent call runs serially on its caller. Denormals are flushed meanwhile. */
    void (*run)(fastnn_task task, void *context, ptrdiff_t count);
    /* How many threads run() may use: 1 inside a task. */
    int (*threads)(void);
    /* This thread's 64-byte-aligned scratch memory of at least so many bytes, good until the thread asks again;
     * NULL when there is no memory. */
    void *(*scratch)(size_t bytes);
} fastnn_pool_api;

#define FASTNN_POOL_CAPSULE "fastnn.kernels.cython_backend._runtime._pool_api"

#endif
