/* Stands for libamd_smi.so: one socket with two processors, the second of which supports no counter. */
#include <stdint.h>
static uint64_t ticks = 1000000;
int amdsmi_init(uint64_t flags) { return flags == 2 ? 0 : 1; }
int amdsmi_shut_down(void) { return 0; }
int amdsmi_get_socket_handles(uint32_t *count, void **handles) {
  if (handles) handles[0] = (void *)8;
  *count = 1;
  return 0;
}
int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **handles) {
  if ((uintptr_t)socket != 8) return 1;
  if (handles) { handles[0] = (void *)16; handles[1] = (void *)24; }
  *count = 2;
  return 0;
}
int amdsmi_get_energy_count(void *processor, uint64_t *count, float *resolution, uint64_t *at) {
  if ((uintptr_t)processor != 16) return 2;
  *count = (ticks += 1000);
  *resolution = 15.3f;
  *at = 1;
  return 0;
}
