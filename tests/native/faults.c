/* Preloaded into a program: makes its k-th call on files below a folder fail, or ends it there with SIGKILL.

   Armed by fault_arm (ctypes), or by variables for a program that the test does not start itself:
   FAULT_UNDER (folder), FAULT_ONLY (part of the file's name, "=" and the whole of it, or "" for all), FAULT_AT (k; 0 only counts), FAULT_DO
   (ENOSPC, EIO, KILL), FAULT_LOG (every call is noted there, a line each), FAULT_PROGRAM (part of the command line of
   the program that is meant). Without a "=", calls on the folders count too: their
   fsync is what makes a new name durable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char under[PATH_MAX], only[256], deed[16], log_path[PATH_MAX];
static long at, met;
static int armed;

void fault_arm(const char *folder, const char *part, long k, const char *what, const char *log)
{
    snprintf(under, sizeof under, "%s", folder);
    snprintf(only, sizeof only, "%s", part);
    snprintf(deed, sizeof deed, "%s", what);
    snprintf(log_path, sizeof log_path, "%s", log);
    at = k;
    met = 0;
    armed = 1;
}

void fault_disarm(void) { armed = 0; }

__attribute__((constructor)) static void by_environment(void)
{
    const char *folder = getenv("FAULT_UNDER"), *program = getenv("FAULT_PROGRAM");
    if (!folder)
        return;
    if (program) {
        char words[4096] = "";
        int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
        ssize_t size = syscall(SYS_read, fd, words, sizeof words - 1);
        syscall(SYS_close, fd);
        for (ssize_t i = 0; i < size - 1; i++)
            if (!words[i])
                words[i] = ' ';
        if (!strstr(words, program))
            return;
    }
    fault_arm(folder, getenv("FAULT_ONLY") ?: "", atol(getenv("FAULT_AT") ?: "0"), getenv("FAULT_DO") ?: "",
              getenv("FAULT_LOG") ?: "");
}

static int matches(const char *path)
{
    size_t length = strlen(under);
    if (strncmp(path, under, length) || (path[length] && path[length] != '/'))
        return 0;
    const char *name = strrchr(path, '/');
    struct stat is;
    if (*only == '=')
        return name && !strcmp(name + 1, only + 1);
    if (strstr(name ? name : path, only))
        return 1;
    return !stat(path, &is) && S_ISDIR(is.st_mode);
}

/* The errno with which this call is to fail; 0 where it goes on. */
static int meet(const char *call, const char *path)
{
    if (!armed || !path || !matches(path))
        return 0;
    met++;
    if (*log_path) {
        char line[PATH_MAX + 32];
        int size = snprintf(line, sizeof line, "%s %s\n", call, path);
        int fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT, 0600);
        syscall(SYS_write, fd, line, size);
        syscall(SYS_close, fd);
    }
    if (met != at)
        return 0;
    if (!strcmp(deed, "KILL"))
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    return !strcmp(deed, "EIO") ? EIO : ENOSPC;
}

static int meet_fd(const char *call, int fd)
{
    char link[64], path[PATH_MAX];
    if (!armed)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return meet(call, path);
}

#define FAIL(error)                                                                                                    \
    do {                                                                                                               \
        int found = (error);                                                                                           \
        if (found) {                                                                                                   \
            errno = found;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

static int opened(int folder, const char *path, int flags, mode_t mode)
{
    FAIL(meet("openat", path));
    return syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at_, const char *path, int flags, ...) { MODE(flags) return opened(at_, path, flags, mode); }
int openat64(int at_, const char *path, int flags, ...) { MODE(flags) return opened(at_, path, flags | O_LARGEFILE, mode); }

ssize_t write(int fd, const void *data, size_t size)
{
    FAIL(meet_fd("write", fd));
    return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, size);
}

int fsync(int fd)
{
    FAIL(meet_fd("fsync", fd));
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    FAIL(meet_fd("fdatasync", fd));
    return syscall(SYS_fdatasync, fd);
}

int fchmod(int fd, mode_t mode)
{
    FAIL(meet_fd("fchmod", fd));
    return syscall(SYS_fchmod, fd, mode);
}

int ftruncate64(int fd, off64_t size)
{
    FAIL(meet_fd("ftruncate", fd));
    return syscall(SYS_ftruncate, fd, size);
}

/* As in the kernel, the descriptor is gone also where an error is told. */
int close(int fd)
{
    int error = meet_fd("close", fd);
    int done = syscall(SYS_close, fd);
    FAIL(error);
    return done;
}

int rename(const char *from, const char *to)
{
    FAIL(meet("rename", to));
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    FAIL(meet("rename", to));
    return syscall(SYS_renameat2, from_at, from, to_at, to, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned int flags)
{
    FAIL(meet("renameat2", to));
    return syscall(SYS_renameat2, from_at, from, to_at, to, flags);
}

int link(const char *from, const char *to)
{
    FAIL(meet("link", to));
    return syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    FAIL(meet("link", to));
    return syscall(SYS_linkat, from_at, from, to_at, to, flags);
}

int unlink(const char *path)
{
    FAIL(meet("unlink", path));
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int at_, const char *path, int flags)
{
    FAIL(meet("unlink", path));
    return syscall(SYS_unlinkat, at_, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    FAIL(meet("mkdir", path));
    return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
