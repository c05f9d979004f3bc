/* Stands for libnvidia-ml.so.1: two cards, or with JETSON one that supports nothing. */
#include <stdint.h>
#include <string.h>
static uint64_t millijoules = 1000;
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
#ifdef JETSON
int nvmlDeviceGetCount_v2(uint32_t *count) { *count = 1; return 0; }
#else
int nvmlDeviceGetCount_v2(uint32_t *count) { *count = 2; return 0; }
#endif
int nvmlDeviceGetHandleByIndex_v2(uint32_t index, void **device) { *device = (void *)(uintptr_t)(index + 1); return 0; }
int nvmlDeviceGetUUID(void *device, char *uuid, uint32_t length) {
  strncpy(uuid, (uintptr_t)device == 1 ? "GPU-one" : "GPU-two", length);
  return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *device, uint64_t *energy) {
#ifdef JETSON
  return 3;
#endif
  if ((uintptr_t)device == 2) return 3; /* older than Volta */
  *energy = (millijoules += 500);
  return 0;
}
int nvmlDeviceGetPowerUsage(void *device, uint32_t *milliwatts) {
#ifdef JETSON
  return 3;
#endif
  *milliwatts = (uintptr_t)device == 1 ? 90000 : 60000;
  return 0;
}
