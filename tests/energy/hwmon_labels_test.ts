import { assertEquals } from "@std/assert";
import {
  inputFamily,
  inputRank,
  isNoPower,
  isSameThing,
  pmbusSide,
} from "../../src/energy/sources/hwmon_labels.ts";

Deno.test("inputRank knows what boards call the whole, and what they call an input", () => {
  for (
    const label of [
      "total",
      "Total Power",
      "power total",
      "System",
      "SYSTEM_POWER",
      "Board Power",
      "Total System Power",
      "node power",
    ]
  ) {
    assertEquals(inputRank(label), 2, label);
  }
  for (
    const label of [
      ...[
        "VIN",
        "vin",
        "VDD_IN",
        "VCC_IN",
        "DC_IN",
        "DCIN",
        "5V_IN",
        "POM_5V_IN",
        "12V Input",
        "input",
        "Main Input",
      ],
      ...["VIN2", "vcc12v_dcin", "vcc5v0_in", "PWR_IN", "VSYS", "Input Power", "DC_IN_1", "19.5V_IN"],
    ]
  ) assertEquals(inputRank(label), 1, label);
});

Deno.test("inputRank takes rails for nothing else", () => {
  for (
    const label of [
      ...[
        "VDD_CPU",
        "VIN_SYS_5V0",
        "VDD_CPU_GPU_CV",
        "VDD_SOC",
        "5V",
        "12V",
        "3V3_SYS",
        "SYS",
        "VBAT",
        "VBUS",
        "iin",
        "pin",
        "",
      ],
      ...[
        "Total CPU Core Power",
        "SYS_POW_SYS",
        "System Agent",
        "input current limit",
        "VDD_IN_CORE",
        "total_gpu",
        "curr1",
        "power1",
      ],
    ]
  ) assertEquals(inputRank(label), 0, label);
});

Deno.test("inputFamily tells inputs beside each other from different ones", () => {
  assertEquals(inputFamily("VIN1") === inputFamily("vin 2"), true);
  assertEquals(inputFamily("12V_IN") === inputFamily("5V_IN"), false);
});

Deno.test("isNoPower knows what is not connected, agreed, light or heat", () => {
  for (
    const label of [
      "NC",
      "nc",
      " NC ",
      "PD Contract Current",
      "TX_power",
      "RX_power2",
      "Dissipated power",
      "bias",
    ]
  ) {
    assertEquals(isNoPower(label), true, label);
  }
  for (const label of ["NCP_CORE", "VDD_TX", "power1", "contractor"]) {
    assertEquals(isNoPower(label), false, label);
  }
});

Deno.test("pmbusSide reads the kernel's labels only: pages, no phases, no capitals", () => {
  assertEquals(pmbusSide("pin"), { side: "pin", page: "" });
  assertEquals(pmbusSide("iout12"), { side: "iout", page: "12" });
  for (const label of ["iout1.2", "VIN", "vin_core", "vcap", "", "pins"]) {
    assertEquals(pmbusSide(label), undefined, label);
  }
});

Deno.test("isSameThing compares what is named, not the unit", () => {
  assertEquals(isSameThing("VBUS voltage", "VBUS current"), true);
  assertEquals(isSameThing("channel_1", "channel_1"), true);
  assertEquals(isSameThing("v_out +12v", "curr +12v"), true);
  assertEquals(isSameThing("+3.3V", "CPU"), false);
  assertEquals(isSameThing("x", undefined), true);
});
