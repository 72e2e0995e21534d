/* SPDX-License-Identifier: Apache-2.0
 * Attention.
 */
#include "gpu.h"

void cuda_set_attention(struct ops *o) { (void)o; }
