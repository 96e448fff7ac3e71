/*
 * Lets the guest kernel run on processors with more register state than it knows of (AMX, from Intel's Sapphire Rapids
 * on). To be preloaded into it.
 *
 * User-mode Linux 6.1 keeps 2,696 octets of floating point and vector registers for each of its threads and writes them
 * back with PTRACE_SETREGSET. The host takes nothing but its whole state (11,008 octets with AMX) and answers EFAULT,
 * whereupon the guest panics: "ptrace set fp regs failed, errno = 14". What it has no room for is state that no program
 * in it can have, because the host's permission for it must be asked for: all zero.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long (*ptrace_function)(int request, pid_t pid, void *address, void *data);

static ptrace_function real_ptrace;
/* Not on the stack: that of a kernel is small. The guest has one processor, so there is one caller at a time. */
static unsigned char state[65536];
/* Octets of the host's whole state; 0 as long as it has not been needed. */
static size_t whole;

__attribute__((constructor)) static void find_ptrace(void) {
    real_ptrace = (ptrace_function)dlsym(RTLD_NEXT, "ptrace");
}

/* Writes all the host's state: what is given, and zeros after it. */
static long set_whole(pid_t pid, const struct iovec *given) {
    struct iovec all = {state, sizeof state};
    if (whole == 0) {
        if (real_ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &all) < 0) return -1;
        whole = all.iov_len;
    }
    if (given->iov_len >= whole) {
        errno = EFAULT;
        return -1;
    }
    memcpy(state, given->iov_base, given->iov_len);
    memset(state + given->iov_len, 0, whole - given->iov_len);
    all.iov_len = whole;
    return real_ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...) {
    va_list words;
    va_start(words, request);
    pid_t pid = va_arg(words, pid_t);
    void *address = va_arg(words, void *);
    void *data = va_arg(words, void *);
    va_end(words);
    int is_state = request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE;
    if (is_state && whole != 0) return set_whole(pid, data);
    long result = real_ptrace(request, pid, address, data);
    if (is_state && result < 0 && errno == EFAULT) return set_whole(pid, data);
    return result;
}
