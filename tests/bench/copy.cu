/* SPDX-License-Identifier: Apache-2.0
 * The yardstick of memory-bound kernels: the driver's own copy on the device.
 */
#include <cuda_runtime.h>
#include <time.h>

static double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Bytes read and written a second; 0 where there is no memory for it. */
extern "C" double bench_copy_rate(size_t bytes, int times)
{
    void *a = NULL, *b = NULL;
    cudaStream_t s;
    double rate = 0;
    if (cudaMalloc(&a, bytes) == cudaSuccess && cudaMalloc(&b, bytes) == cudaSuccess && cudaStreamCreate(&s) == cudaSuccess) {
        for (int i = 0; i < 3; i++) cudaMemcpyAsync(b, a, bytes, cudaMemcpyDeviceToDevice, s);
        cudaStreamSynchronize(s);
        double begin = clock_now();
        for (int i = 0; i < times; i++) cudaMemcpyAsync(b, a, bytes, cudaMemcpyDeviceToDevice, s);
        cudaStreamSynchronize(s);
        rate = 2.0 * (double)bytes * times / (clock_now() - begin);
        cudaStreamDestroy(s);
    }
    if (a) cudaFree(a);
    if (b) cudaFree(b);
    return rate;
}
