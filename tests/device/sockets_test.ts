import { assertEquals } from "@std/assert";
import { areLocal, kindOfAddress, purposeOfAddress } from "../../src/device/addresses.ts";
import { nameServers } from "../../src/device/resolver.ts";
import { openPortsTo, ownerOfSocket, readOpenedByOthers, readTcpSockets } from "../../src/device/sockets.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { openSystemFiles } from "../../src/device/sysfs.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

/** Lines of a kernel 6.1. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0
   1: 02004D0A:0FA2 01004D0A:D431 01 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0 0 10 0
  half a li`;
const TCP6 = `  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF000002004D0A:0FA2 0000000000000000FFFF000001004D0A:D432 01 0:0 0:0 0 0 0 9`;

Deno.test("readTcpSockets reads listeners and connections of both families, and skips what is no line", () => {
  const given: Record<string, string> = { "/proc/net/tcp": TCP, "/proc/net/tcp6": TCP6 };
  const files = { readText: (path: string) => given[path], list: () => [] };
  const [listener, open, six, ...more] = readTcpSockets(files);
  assertEquals(more, []);
  assertEquals(listener, {
    local: "127.0.0.1",
    localPort: 8080,
    remote: "0.0.0.0",
    remotePort: 0,
    isListening: true,
    isOpen: false,
    inode: 12345,
  });
  assertEquals([open!.remote, open!.localPort, open!.isListening, open!.isOpen], [
    "10.77.0.1",
    4002,
    false,
    true,
  ]);
  assertEquals([six!.local, six!.remote, six!.remotePort], ["10.77.0.2", "10.77.0.1", 0xd432]);
  assertEquals(readTcpSockets(new FakeFiles({})), []);
});

Deno.test("openPortsTo tells who may still send, and nothing where that cannot be known", () => {
  const line = (local: string, remote: string, state: string) =>
    `  1: ${local} ${remote} ${state} 0:0 0:0 0 0 0 9`;
  const head = "  sl  local_address rem_address   st";
  const listener = line("0100007F:1F90", "00000000:0000", "0A");
  const lines = [
    line("0100007F:1F90", "0100007F:D431", "01"),
    line("0100007F:1F90", "0100007F:D432", "08"), // the other side has closed
    line("0100007F:1F91", "0100007F:D433", "01"), // another port of ours
  ];
  const ports = (text: string) => openPortsTo({ readText: () => text, list: () => [] }, 8080);
  assertEquals(ports([head, listener, ...lines].join("\n")), new Set([0xd431]));
  assertEquals(ports([head, ...lines].join("\n")), undefined);
  assertEquals(ports([head, listener, ...lines, ...Array(6000).fill(lines[2])].join("\n")), undefined);
});

Deno.test("readOpenedByOthers reads the kernel's count, where there is one", () => {
  const count = (text?: string) => readOpenedByOthers({ readText: () => text, list: () => [] });
  const snmp = `Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails
Tcp: 1 200 120000 -1 12 7 3
Udp: InDatagrams
Udp: 9
`;
  assertEquals([count(snmp), count("Tcp: ActiveOpens\nTcp: 5\n"), count("Tcp: PassiveOpens\n"), count()], [
    7,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test({
  name: "ownerOfSocket finds this process behind a listener of its own",
  ignore: Deno.build.os !== "linux",
  fn() {
    const files = openSystemFiles({ sysfs: "/sys", procfs: "/proc" });
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const socket = readTcpSockets(files).find(({ isListening, localPort }) =>
      isListening && localPort === port
    )!;
    assertEquals(ownerOfSocket(files, socket.inode)?.startsWith(`process ${Deno.pid} (`), true);
    assertEquals(ownerOfSocket(files, 0), undefined);
  },
});

Deno.test("kindOfAddress tells the provider's own, private, local and public addresses apart", () => {
  const kinds = [
    "10.1.2.3",
    "172.15.0.1",
    "172.31.0.1",
    "100.63.0.1",
    "100.64.0.1",
    "100.127.0.1",
    "169.254.1.1",
    "8.8.8.8",
  ];
  assertEquals(kinds.map(kindOfAddress), [
    "private",
    "public",
    "private",
    "public",
    "carrier",
    "carrier",
    "link",
    "public",
  ]);
  assertEquals(["::1", "fe80::1", "fd00::1", "2a00:1450::1", "::ffff:10.0.0.1"].map(kindOfAddress), [
    "loopback",
    "link",
    "unique",
    "public",
    "private",
  ]);
});

Deno.test("kindOfAddress takes no address for public that the registries set aside, at both ends of each range", () => {
  const special = [
    ...[
      "192.0.0.1",
      "192.0.2.0",
      "192.0.2.255",
      "192.88.99.1",
      "198.18.0.0",
      "198.19.255.255",
      "198.51.100.9",
    ],
    ...["203.0.113.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
    ...[
      "2001:db8::1",
      "2001:DB8:ffff::",
      "3fff:fff::1",
      "100::1",
      "64:ff9b:1::1",
      "2001:2::1",
      "2002:808:808::1",
    ],
    ...["5f00::1", "fec0::1", "ff02::1", "::8.8.8.8", "4000::1", "::ffff:192.0.2.1", "::ffff:c000:201"],
    ...["", "1.2", "256.1.1.1", "1:2:3", "::1::", "12345::", "g::1", "1:2:3:4:5:6:7:8:9", "::1.2"],
  ];
  assertEquals(special.filter((address) => kindOfAddress(address) !== "special"), []);
  const open = [
    ...[
      "192.0.0.9",
      "192.0.1.255",
      "192.0.3.0",
      "198.17.255.255",
      "198.20.0.0",
      "203.0.114.0",
      "223.255.255.255",
    ],
    ...["1.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "2001:200::1", "2001:4860:4860::8888"],
    ...["64:ff9b::8.8.8.8", "2001:db7:ffff::", "2001:db9::", "3fff:1000::", "2001:1::1", "::ffff:8.8.8.8"],
  ];
  assertEquals(open.filter((address) => kindOfAddress(address) !== "public"), []);
  assertEquals(purposeOfAddress("192.0.2.2"), "documentation, RFC 5737");
});

Deno.test("areLocal is true of loopback alone, and not of names or of all cards at once", () => {
  assertEquals(areLocal(["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"]), true);
  for (
    const wide of ["/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/1", "/dns4/a.example/tcp/1", "/ip4/10.0.0.1/tcp/1"]
  ) {
    assertEquals(areLocal(["/ip4/127.0.0.1/tcp/1", wide]), false, wide);
  }
});

Deno.test("nameServers reads the servers that libc would ask", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/resolv.conf`;
  assertEquals(nameServers(path), undefined);
  await Deno.writeTextFile(
    path,
    "# nameserver 1.1.1.1\nsearch a\nnameserver 10.0.0.1\nnameserver fd00::1 \nnameserver 3\nnameserver 4\n",
  );
  assertEquals(nameServers(path), ["10.0.0.1", "fd00::1", "3"]);
});
