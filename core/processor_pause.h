/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_PROCESSOR_PAUSE_H
#define EVCHAN_CORE_PROCESSOR_PAUSE_H

/* Tells the processor that this is a short wait: it leaves its other thread the core. Some 10 to 140 cycles on x86, where
 * each generation has its own (Intel's Optimization Reference Manual, PAUSE); a few elsewhere. */
void processor_pause(void);

#endif
