/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXPORT_H
#define EVCHAN_EXPORT_H

/* EVCHAN_API marks what the shared libraries export; everything else is hidden. */
#include <evchan/system.h>

#endif
