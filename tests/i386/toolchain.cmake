# SPDX-License-Identifier: MIT
#
# 32-bit programs from a 64-bit Debian: gcc-12-multilib and libc6-dev-i386. The headers that Debian
# keeps by architecture (asm/) are the same for both, but a 32-bit gcc does not look for them there.
set(CMAKE_C_FLAGS_INIT "-m32 -isystem /usr/include/x86_64-linux-gnu")
