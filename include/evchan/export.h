/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXPORT_H
#define EVCHAN_EXPORT_H

/* Marks what the shared libraries export; everything else is hidden. */
#define EVCHAN_API __attribute__((visibility("default")))

#endif
