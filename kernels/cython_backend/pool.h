/* The process-wide workers: one job at a time, its indices claimed one by one by whoever is awake.
 *
 * POSIX threads and C11 atomics alone, so that macOS's clang builds it without libomp; and not OpenMP, whose libgomp
 * hangs a forked child that enters a parallel region again.
 *
 * The protocol. A job is {task, context, count, float_state} and two counters:
 *     unclaimed  how many indices nobody has taken; taking one is a compare-and-swap from u > 0 to u - 1,
 *                and what was taken is index count - u;
 *     unfinished how many indices have not returned yet; whoever took n subtracts n when it finds nothing more.
 * The caller writes the job, sets unfinished, sets unclaimed (this publishes), takes indices itself, and returns when
 * unfinished is 0. Workers wait for unclaimed > 0.
 *
 * Why a late worker never touches a finished job: it reads the job's fields only after it took an index. Let u > 0 be
 * the value its compare-and-swap replaced. Then at that moment some job had an index that nobody had taken, so that
 * job was not finished, and it cannot finish before the worker subtracts what it took: its fields stay as they are,
 * and its caller stays in run(), until then. Whether the worker first saw u in an earlier job does not matter (no
 * ABA): what it took is an index of the job that is there now, and the swap's acquire, from the publishing store or from
 * the chain of swaps that it heads, makes that job's fields visible. The next job's fields are written only
 * after its caller read unfinished == 0 with acquire, which follows every worker's release. A worker that slept
 * through a whole job finds unclaimed == 0 and has touched nothing; nobody waits for it. The last subtraction is a
 * worker's last touch of the job; it may then take the pool's mutex to wake the caller, and the mutex outlives all jobs.
 *
 * Why no wake-up is lost: a worker going to sleep counts itself in `asleep` and then reads `unclaimed`; the caller
 * writes `unclaimed` and then reads `asleep`; all four are sequentially consistent, so one of them sees the other, and
 * the caller signals under the mutex that the worker holds from its check until it waits. The caller's own sleep
 * (`caller_asleep`, `unfinished`) is the same with the parts exchanged.
 */
#ifndef FASTNN_POOL_H
#define FASTNN_POOL_H

#include "pool_api.h"
#include "pool_turns.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum {
    POOL_MAX_THREADS = 1024,
    POOL_SPIN_NS = 100000,           /* how long a worker, or the caller, looks before it sleeps: longer than the gap
                                        between two kernels of a training step, shorter than a time slice */
    POOL_SHORT_NS = 10000,           /* how long a worker looks where others want its processor */
    POOL_WANTED_NS = 20000000,       /* how long it takes that for true after it was last displaced */
    POOL_STACK_BYTES = 8 << 20       /* the default is 512 KB on macOS; tasks may run Python */
};

static struct {
    /* the job: written by the caller that holds `busy`, read by those that took an index of it */
    fastnn_task task;
    void *context;
    ptrdiff_t count;
    uint64_t float_state;

    _Alignas(64) _Atomic ptrdiff_t unclaimed;  /* with `stop`: the line that waiting workers look at */
    atomic_int stop;                 /* tells the workers to end */
    _Alignas(64) _Atomic ptrdiff_t unfinished;
    _Alignas(64) atomic_int busy;    /* held by the one caller that uses the workers, or changes their number */
    atomic_int asleep;               /* workers in cond_wait */
    atomic_int caller_asleep;
    atomic_int wanted;               /* threads to use, caller included */
    atomic_int flush;                /* flush denormals while tasks run? */
    int built;                       /* the value of `wanted` that the workers were made for; 1: none */
    atomic_int caller_cpu;           /* the processor that the caller published the job from */
    int workers;                     /* how many there are (fewer than built - 1 where the system refused) */
    pthread_t ids[POOL_MAX_THREADS];
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
} pool_state = {
    .wanted = 1, .flush = 1, .built = 1,
    .mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER,
};

static _Thread_local int inside_task;

/* ---- floating-point state: MXCSR with FTZ and DAZ, FPCR with FZ ---- */

#if defined(__x86_64__)
#define POOL_FLUSH_BITS 0x8040u
static inline uint64_t float_state_get(void) { return _mm_getcsr(); }
static inline void float_state_set(uint64_t state) { _mm_setcsr((unsigned)state); }
#elif defined(__aarch64__)
#define POOL_FLUSH_BITS (1u << 24)
static inline uint64_t float_state_get(void) {
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return state;
}
static inline void float_state_set(uint64_t state) { __asm__ volatile("msr fpcr, %0" : : "r"(state) : "memory"); }
#else
#define POOL_FLUSH_BITS 0u
static inline uint64_t float_state_get(void) { return 0; }
static inline void float_state_set(uint64_t state) { (void)state; }
#endif

/* ---- waiting ---- */

static inline void spin_pause(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- taking indices ---- */

/* An index of the job that is there now, or -1 where none is left. */
static inline ptrdiff_t pool_take(void) {
    ptrdiff_t u = atomic_load_explicit(&pool_state.unclaimed, memory_order_relaxed);
    while (u > 0)
        if (atomic_compare_exchange_weak_explicit(&pool_state.unclaimed, &u, u - 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return pool_state.count - u;
    return -1;
}

/* Runs index and whatever else can be taken; all are of one job, as it cannot finish before the subtraction. */
static void pool_work(ptrdiff_t index) {
    fastnn_task task = pool_state.task;
    void *context = pool_state.context;
    ptrdiff_t finished = 0;
    for (; index >= 0; index = pool_take(), finished++) task(context, index);
    if (atomic_fetch_sub(&pool_state.unfinished, finished) == finished && atomic_load(&pool_state.caller_asleep)) {
        pthread_mutex_lock(&pool_state.mutex);
        pthread_cond_signal(&pool_state.done);
        pthread_mutex_unlock(&pool_state.mutex);
    }
}

static int pool_called(void) { return atomic_load(&pool_state.unclaimed) > 0 || atomic_load(&pool_state.stop); }

/* Looks for work, and sleeps if none comes. Where nobody else wants this processor, looking is cheap and finds the next
 * kernel of a training step at once. Where somebody does, it spends the share of time that the work needs: there the
 * worker soon sleeps, and its caller's wake-up puts it in the other's place (pool_turns.h). */
static void pool_wait(int64_t *wanted_until, long *displaced) {
    int64_t begin = 0;
    for (int64_t look = 1; !pool_called(); look++) {
        spin_pause();
        if (look % 32) continue;
        int64_t now = now_ns();
        if (begin == 0) begin = now;
        if (was_displaced(displaced)) *wanted_until = now + POOL_WANTED_NS;
        if (now - begin > (now < *wanted_until ? POOL_SHORT_NS : POOL_SPIN_NS)) break;
        if (now - begin > POOL_SHORT_NS) sched_yield();
    }
    if (pool_called()) return;
    pthread_mutex_lock(&pool_state.mutex);
    atomic_fetch_add(&pool_state.asleep, 1);
    while (!pool_called()) pthread_cond_wait(&pool_state.work, &pool_state.mutex);
    atomic_fetch_sub(&pool_state.asleep, 1);
    pthread_mutex_unlock(&pool_state.mutex);
    leave_processor(atomic_load_explicit(&pool_state.caller_cpu, memory_order_relaxed));
}

static void *pool_worker(void *unused) {
    (void)unused;
    ask_for_short_turns();
    int64_t wanted_until = 0;
    long displaced = 0;
    inside_task = 1;                 /* whatever a worker runs is a task: a kernel called from it stays on it */
    for (;;) {
        pool_wait(&wanted_until, &displaced);
        ptrdiff_t index = pool_take();
        if (index >= 0) {
            float_state_set(pool_state.float_state);
            pool_work(index);
        } else if (atomic_load(&pool_state.stop)) {
            return NULL;
        }
    }
}

/* ---- how many workers: both called by the holder of `busy`, between jobs ---- */

static void pool_end_workers(void) {
    pthread_mutex_lock(&pool_state.mutex);
    atomic_store(&pool_state.stop, 1);
    pthread_cond_broadcast(&pool_state.work);
    pthread_mutex_unlock(&pool_state.mutex);
    for (int i = 0; i < pool_state.workers; i++) pthread_join(pool_state.ids[i], NULL);
    atomic_store(&pool_state.stop, 0);
    pool_state.workers = 0;
}

static void pool_resize(int threads) {
    pool_end_workers();
    pool_state.built = threads;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes)) return;
    pthread_attr_setstacksize(&attributes, POOL_STACK_BYTES);
    sigset_t all, before;            /* signals stay with the threads that Python knows */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool_state.workers < threads - 1
           && pthread_create(&pool_state.ids[pool_state.workers], &attributes, pool_worker, NULL) == 0)
        pool_state.workers++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/* The child of a fork has this one thread: forget the workers, and whoever held or waited for anything. */
static void pool_after_fork(void) {
    pthread_mutex_init(&pool_state.mutex, NULL);
    pthread_cond_init(&pool_state.work, NULL);
    pthread_cond_init(&pool_state.done, NULL);
    atomic_store(&pool_state.unclaimed, 0);
    atomic_store(&pool_state.unfinished, 0);
    atomic_store(&pool_state.busy, 0);
    atomic_store(&pool_state.stop, 0);
    atomic_store(&pool_state.asleep, 0);
    atomic_store(&pool_state.caller_asleep, 0);
    pool_state.workers = 0;
    pool_state.built = 1;
}

/* ---- the table of pool_api.h ---- */

static void pool_run_parallel(fastnn_task task, void *context, ptrdiff_t count, uint64_t state) {
    pool_state.task = task;
    pool_state.context = context;
    pool_state.count = count;
    pool_state.float_state = state;
    atomic_store_explicit(&pool_state.caller_cpu, this_processor(), memory_order_relaxed);
    atomic_store(&pool_state.unfinished, count);
    atomic_store(&pool_state.unclaimed, count);
    int asleep = atomic_load(&pool_state.asleep);
    if (asleep > 0) {
        pthread_mutex_lock(&pool_state.mutex);
        if (count - 1 >= asleep) pthread_cond_broadcast(&pool_state.work);
        else for (ptrdiff_t i = 1; i < count; i++) pthread_cond_signal(&pool_state.work);
        pthread_mutex_unlock(&pool_state.mutex);
    }
    ptrdiff_t index = pool_take();
    if (index >= 0) pool_work(index);
    for (int64_t look = 1, end = 0; atomic_load(&pool_state.unfinished) != 0; look++) {
        spin_pause();
        if (look % 32) continue;
        int64_t now = now_ns();
        if (end == 0) end = now + POOL_SPIN_NS;
        if (now > end) break;
    }
    if (atomic_load(&pool_state.unfinished) != 0) {
        pthread_mutex_lock(&pool_state.mutex);
        atomic_store(&pool_state.caller_asleep, 1);
        while (atomic_load(&pool_state.unfinished) != 0) pthread_cond_wait(&pool_state.done, &pool_state.mutex);
        atomic_store(&pool_state.caller_asleep, 0);
        pthread_mutex_unlock(&pool_state.mutex);
    }
}

static void pool_run(fastnn_task task, void *context, ptrdiff_t count) {
    if (inside_task) {               /* nested: this thread is at work already, with its float state set */
        for (ptrdiff_t i = 0; i < count; i++) task(context, i);
        return;
    }
    uint64_t before = float_state_get();
    uint64_t state = atomic_load_explicit(&pool_state.flush, memory_order_relaxed) ? before | POOL_FLUSH_BITS : before;
    if (state != before) float_state_set(state);
    inside_task = 1;

    int threads = atomic_load_explicit(&pool_state.wanted, memory_order_relaxed);
    if (count > 1 && threads > 1 && atomic_exchange(&pool_state.busy, 1) == 0) {
        if (pool_state.built != threads) pool_resize(threads);
        pool_run_parallel(task, context, count, state);
        atomic_store(&pool_state.busy, 0);
    } else {
        for (ptrdiff_t i = 0; i < count; i++) task(context, i);
    }

    inside_task = 0;
    float_state_set(before);         /* also drops the exception flags that the tasks raised */
}

static int pool_threads(void) {
    return inside_task ? 1 : atomic_load_explicit(&pool_state.wanted, memory_order_relaxed);
}

static pthread_key_t scratch_key;    /* only for its destructor: the pointers below are what is read */
static _Thread_local void *scratch_memory;
static _Thread_local size_t scratch_bytes;

static void *pool_scratch(size_t bytes) {
    if (bytes <= scratch_bytes && scratch_memory) return scratch_memory;
    void *memory;
    size_t rounded = (bytes + 4095) & ~(size_t)4095;
    if (rounded < bytes || posix_memalign(&memory, 64, rounded ? rounded : 4096)) return NULL;
    if (pthread_setspecific(scratch_key, memory)) {
        free(memory);
        return NULL;
    }
    free(scratch_memory);
    scratch_memory = memory;
    scratch_bytes = rounded;
    return memory;
}

static const fastnn_pool_api pool_api = {pool_run, pool_threads, pool_scratch};

/* Once, at import. 0, or an error number. */
static int pool_init(int threads) {
    atomic_store(&pool_state.wanted, threads);
    int error = pthread_key_create(&scratch_key, free);
    return error ? error : pthread_atfork(NULL, NULL, pool_after_fork);
}

#endif
