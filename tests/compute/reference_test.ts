import { createReferenceBackend } from "../../src/compute/reference.ts";
import { testBlockCases } from "./cases.ts";

await testBlockCases(createReferenceBackend());
