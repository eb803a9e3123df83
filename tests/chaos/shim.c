/* Loaded into a node before libc (LD_PRELOAD): shifts its wall clock and delays its syncs, as two numbers in a
 * shared file say. The monotonic clock is left alone. Built and driven by shim.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t clock_offset_ns;
    volatile int64_t sync_delay_ns;
};

static const int64_t NS = 1000000000;
static struct control none;
static struct control *control = &none;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("CHAOS_CONTROL");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *shared = mmap(0, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED) control = shared;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, at);
    int64_t offset_ns = control->clock_offset_ns;
    if (result == 0 && offset_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = at->tv_sec * NS + at->tv_nsec + offset_ns;
        at->tv_sec = ns / NS;
        at->tv_nsec = ns % NS;
    }
    return result;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

static void delay(void) {
    int64_t ns = control->sync_delay_ns;
    if (ns <= 0) return;
    struct timespec left = {ns / NS, ns % NS};
    while (nanosleep(&left, &left)) {}
}

int fsync(int fd) {
    delay();
    return real_fsync(fd);
}

int fdatasync(int fd) {
    delay();
    return real_fdatasync(fd);
}
