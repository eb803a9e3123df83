/*
 * Between this process and the system's randomness and wall clock.
 *
 * The product's libraries draw random numbers in many places: election time-outs, the order in which select! polls,
 * the keys of hash tables. All of it comes from getrandom in the end, so this is the one place to put the seed.
 * The executable's own symbols come before the C library's. Without LEVADA_SIM_SEED everything is the system's.
 *
 * Every thread has the same sequence of its own: what one draws does not depend on how others are scheduled.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* 2026-01-01T00:00:00Z. Only headers that nobody reads show it: the nodes have clocks of their own. */
static const time_t WALL_SECONDS = 1767225600;

static int seeded(uint64_t *seed)
{
	const char *text = getenv("LEVADA_SIM_SEED");
	if (text == NULL)
		return 0;
	*seed = strtoull(text, NULL, 10);
	return 1;
}

static uint64_t next(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	static __thread uint64_t state;
	static __thread int begun;
	uint64_t seed;
	unsigned char *to = buffer;
	size_t left = length;

	if (!seeded(&seed))
		return syscall(SYS_getrandom, buffer, length, flags);
	if (!begun) {
		state = seed;
		begun = 1;
	}
	while (left > 0) {
		uint64_t word = next(&state);
		size_t part = left < sizeof word ? left : sizeof word;
		memcpy(to, &word, part);
		to += part;
		left -= part;
	}
	return (ssize_t)length;
}

/* The C library's own, which needs no system call: the clock is asked often. */
static int (*own)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find_own(void)
{
	*(void **)&own = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t seed;

	if (clock == CLOCK_REALTIME && seeded(&seed)) {
		now->tv_sec = WALL_SECONDS;
		now->tv_nsec = 0;
		return 0;
	}
	if (own == NULL)
		return (int)syscall(SYS_clock_gettime, clock, now);
	return own(clock, now);
}
