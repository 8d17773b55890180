/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_LINUX_COMPAT_H
#define EVCHAN_CORE_LINUX_COMPAT_H

/*
 * What the kernel has and the C library's headers may not have yet. Numbers are the kernel's ABI. Whether
 * the running kernel knows them is found out by asking it, never by its version.
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS (1024 + 9)
#define F_GET_SEALS (1024 + 10)
#endif
#ifndef F_SEAL_SEAL
#define F_SEAL_SEAL 0x0001
#define F_SEAL_SHRINK 0x0002
#define F_SEAL_GROW 0x0004
#define F_SEAL_WRITE 0x0008
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 0x0001u
#define MFD_ALLOW_SEALING 0x0002u
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x0004u
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u /* Linux 6.3 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC 0x01021994
#endif
#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100 /* Linux 6.18 */
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* Linux 6.5 */
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/*
 * readv(2) and writev(2) with RWF_ flags, at the current position (-1). By number, because musl has the
 * functions only since 1.2.5. The position is two words on every machine; where one is enough the kernel
 * ignores the second.
 */
static inline ssize_t linux_readv2(int fd, const struct iovec *vector, int count, int flags)
{
	return syscall(SYS_preadv2, (long)fd, vector, (long)count, -1L, -1L, (long)flags);
}

static inline ssize_t linux_writev2(int fd, const struct iovec *vector, int count, int flags)
{
	return syscall(SYS_pwritev2, (long)fd, vector, (long)count, -1L, -1L, (long)flags);
}

#endif
