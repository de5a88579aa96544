/* What a worker asks of Linux's scheduler, so that it works well beside others that want the same processor; elsewhere,
 * nothing. All of it is advice: whatever the system refuses is left as it was.
 *
 * Another library's threads may wait actively on "our" processor (libgomp's do for 10 ms of processor time). The
 * scheduler shares it out fairly, but in turns of 3 ms and at ticks of 4 ms, fifty times the length of a kernel: a
 * worker that is displaced in the middle of a task keeps its caller waiting for so long. A thread that has asked for
 * short turns (Linux 6.12) takes the place of one with longer turns as soon as it is woken; its share stays the same.
 */
#ifndef FASTNN_POOL_TURNS_H
#define FASTNN_POOL_TURNS_H

#if defined(__linux__) && !defined(_GNU_SOURCE)
#error "pool_turns.h: sched_getcpu and RUSAGE_THREAD need -D_GNU_SOURCE"
#endif

#if defined(__linux__)
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TURN_NS = 100000 };           /* the least that Linux takes */

/* The kernel's struct sched_attr, first version; glibc declares it from 2.41 on. */
struct turns {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* Short turns for the calling thread, if it is an ordinary one; what it inherited otherwise stays. */
static void ask_for_short_turns(void) {
#if defined(SYS_sched_getattr) && defined(SYS_sched_setattr)
    struct turns turns = {.size = sizeof turns};
    if (syscall(SYS_sched_getattr, 0, &turns, sizeof turns, 0) || turns.policy != SCHED_OTHER) return;
    turns.size = sizeof turns;
    turns.runtime = TURN_NS;
    syscall(SYS_sched_setattr, 0, &turns, 0);
#endif
}

/* Has the calling thread been made to leave its processor since it last asked? Giving it away counts as well. */
static int was_displaced(long *before) {
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage)) return 0;
    int changed = usage.ru_nivcsw != *before;
    *before = usage.ru_nivcsw;
    return changed;
}

static int this_processor(void) { return sched_getcpu(); }

/* If the calling thread is on that processor, it goes to another one that it may use: a worker that was woken where its
 * caller runs would only take the caller's time. */
static void leave_processor(int cpu) {
    cpu_set_t allowed, others;
    if (cpu < 0 || sched_getcpu() != cpu || sched_getaffinity(0, sizeof allowed, &allowed)) return;
    others = allowed;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) == 0) return;
    sched_setaffinity(0, sizeof others, &others);
    sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
static void ask_for_short_turns(void) {}
static int was_displaced(long *before) { (void)before; return 0; }
static int this_processor(void) { return -1; }
static void leave_processor(int cpu) { (void)cpu; }
#endif

#endif
