/* Preloaded into a program: notes down every change that it makes below some folders, with the data, in its order.

   Armed by record_arm (ctypes). A note is a line of words between tabs: call, inode, path, second path, number; after a
   `write` as many bytes as its number says; -1 stands for a folder that is synced. Calls are noted after they were
   made, and only where they succeeded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char under[2][PATH_MAX];
static int log_fd = -1;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void record_arm(const char *first, const char *second, const char *log)
{
    snprintf(under[0], sizeof under[0], "%s", first);
    snprintf(under[1], sizeof under[1], "%s", second);
    log_fd = NEXT(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

void record_disarm(void) { log_fd = -1; }

static int matches(const char *path)
{
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(under[i]);
        if (length && !strncmp(path, under[i], length) && (!path[length] || path[length] == '/'))
            return 1;
    }
    return 0;
}

static void note(const char *call, unsigned long inode, const char *path, const char *second, long number, const void *data)
{
    char line[3 * PATH_MAX];
    int size = snprintf(line, sizeof line, "%s\t%lu\t%s\t%s\t%ld\n", call, inode, path, second, number);
    ssize_t (*put)(int, const void *, size_t) = NEXT(write);
    put(log_fd, line, size);
    if (data)
        put(log_fd, data, number);
}

static void note_fd(const char *call, int fd, long number, const void *data)
{
    char link[64], path[PATH_MAX];
    struct stat is;
    if (log_fd < 0)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0 || fstat(fd, &is))
        return;
    path[size] = 0;
    if (matches(path))
        note(call, is.st_ino, path, "", S_ISDIR(is.st_mode) ? -1 : number, data);
}

static void note_path(const char *call, const char *path, const char *second)
{
    struct stat is = {0};
    if (log_fd < 0 || !matches(path))
        return;
    lstat(*second ? second : path, &is);
    note(call, is.st_ino, path, second, 0, NULL);
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }

#define OPENS(name, parameters, arguments, path)                                                                       \
    int name parameters                                                                                                \
    {                                                                                                                  \
        MODE(flags)                                                                                                    \
        int missing = log_fd >= 0 && (flags & O_CREAT) && access(path, F_OK);                                          \
        int fd = NEXT(name) arguments;                                                                                 \
        if (fd >= 0 && missing)                                                                                        \
            note_fd("create", fd, 0, NULL);                                                                            \
        if (fd >= 0 && !missing && (flags & O_TRUNC))                                                                  \
            note_fd("truncate", fd, 0, NULL);                                                                          \
        return fd;                                                                                                     \
    }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode), path)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), path)

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t done = NEXT(write)(fd, data, size);
    if (done > 0)
        note_fd("write", fd, done, data);
    return done;
}

#define ON_FD(name)                                                                                                    \
    int name(int fd)                                                                                                   \
    {                                                                                                                  \
        int done = NEXT(name)(fd);                                                                                     \
        if (!done)                                                                                                     \
            note_fd("fsync", fd, 0, NULL);                                                                             \
        return done;                                                                                                   \
    }

ON_FD(fsync)
ON_FD(fdatasync)

int rename(const char *from, const char *to)
{
    int done = NEXT(rename)(from, to);
    if (!done)
        note_path("rename", from, to);
    return done;
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned int flags)
{
    int done = NEXT(renameat2)(from_at, from, to_at, to, flags);
    if (!done)
        note_path(flags ? "exchange" : "rename", from, to);
    return done;
}

int link(const char *from, const char *to)
{
    int done = NEXT(link)(from, to);
    if (!done)
        note_path("link", from, to);
    return done;
}

int unlink(const char *path)
{
    int done = NEXT(unlink)(path);
    if (!done)
        note_path("unlink", path, "");
    return done;
}

int mkdir(const char *path, mode_t mode)
{
    int done = NEXT(mkdir)(path, mode);
    if (!done)
        note_path("mkdir", path, "");
    return done;
}
