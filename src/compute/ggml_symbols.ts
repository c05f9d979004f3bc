/**
 * The functions of ggml that we call, as `ggml.h`, `ggml-backend.h` and `ggml-alloc.h` of 0.25.1 declare them.
 *
 * @module
 */

const P = "pointer";
const I32 = "i32";
const I64 = "i64";
const SIZE = "usize";
const F32 = "f32";
const NONE = { parameters: [], result: P } as const;
const FREE = { parameters: [P], result: "void" } as const;
const GIVES_SIZE = { parameters: [P], result: SIZE } as const;
const UNARY = { parameters: [P], result: P } as const;
const BINARY = { parameters: [P, P], result: P } as const;
const TERNARY = { parameters: [P, P, P], result: P } as const;

/** Of `libggml-base.so`. */
export const BASE_SYMBOLS = {
  ggml_version: NONE,
  ggml_commit: NONE,
  ggml_log_set: { parameters: [P, P], result: "void" },
  /** Only its address is used: a function that ignores whatever it is called with. */
  ggml_time_us: { type: "pointer" },

  // size_t mem_size, void * mem_buffer, bool no_alloc: by value
  ggml_init: { parameters: [{ struct: [SIZE, P, "u8"] }], result: P },
  ggml_free: FREE,
  ggml_tensor_overhead: { parameters: [], result: SIZE },
  ggml_graph_overhead_custom: { parameters: [SIZE, "u8"], result: SIZE },
  ggml_nbytes: GIVES_SIZE,
  ggml_row_size: { parameters: [I32, I64], result: SIZE },

  ggml_new_tensor_1d: { parameters: [P, I32, I64], result: P },
  ggml_new_tensor_2d: { parameters: [P, I32, I64, I64], result: P },
  ggml_new_tensor_3d: { parameters: [P, I32, I64, I64, I64], result: P },
  ggml_set_input: FREE,
  ggml_set_output: FREE,
  ggml_op_desc: UNARY,

  ggml_rms_norm: { parameters: [P, P, F32], result: P },
  ggml_mul: TERNARY,
  ggml_add: TERNARY,
  ggml_mul_mat: TERNARY,
  ggml_swiglu_split: TERNARY,
  ggml_reshape_2d: { parameters: [P, P, I64, I64], result: P },
  ggml_reshape_3d: { parameters: [P, P, I64, I64, I64], result: P },
  ggml_reshape_4d: { parameters: [P, P, I64, I64, I64, I64], result: P },
  ggml_view_4d: { parameters: [P, P, I64, I64, I64, I64, SIZE, SIZE, SIZE, SIZE], result: P },
  ggml_permute: { parameters: [P, P, I32, I32, I32, I32], result: P },
  ggml_rope_ext: { parameters: [P, P, P, P, I32, I32, I32, F32, F32, F32, F32, F32, F32], result: P },
  ggml_set_rows: { parameters: [P, P, P, P], result: P },
  ggml_flash_attn_ext_set_prec: { parameters: [P, I32], result: "void" },
  ggml_flash_attn_ext: { parameters: [P, P, P, P, P, F32, F32, F32], result: P },

  ggml_new_graph_custom: { parameters: [P, SIZE, "u8"], result: P },
  ggml_build_forward_expand: { parameters: [P, P], result: "void" },
  ggml_graph_n_nodes: { parameters: [P], result: I32 },
  ggml_graph_node: { parameters: [P, I32], result: P },
  ggml_gallocr_new: UNARY,
  ggml_gallocr_alloc_graph: { parameters: [P, P], result: "u8" },
  ggml_gallocr_get_buffer_size: { parameters: [P, I32], result: SIZE },
  ggml_gallocr_free: FREE,

  ggml_backend_alloc_ctx_tensors_from_buft: BINARY,
  ggml_backend_buft_alloc_buffer: { parameters: [P, SIZE], result: P },
  ggml_backend_buft_name: UNARY,
  ggml_backend_buffer_clear: { parameters: [P, "u8"], result: "void" },
  ggml_backend_buffer_get_size: GIVES_SIZE,
  ggml_backend_buffer_free: FREE,
  ggml_backend_tensor_set: { parameters: [P, "buffer", SIZE, SIZE], result: "void" },
  tensorSetAside: {
    name: "ggml_backend_tensor_set",
    parameters: [P, "buffer", SIZE, SIZE],
    result: "void",
    nonblocking: true,
  },
  ggml_backend_tensor_get: { parameters: [P, "buffer", SIZE, SIZE], result: "void" },

  ggml_backend_dev_type: { parameters: [P], result: I32 },
  ggml_backend_dev_name: UNARY,
  ggml_backend_dev_description: UNARY,
  ggml_backend_dev_memory: { parameters: [P, "buffer", "buffer"], result: "void" },
  ggml_backend_dev_supports_op: { parameters: [P, P], result: "u8" },
  ggml_backend_dev_init: BINARY,
  ggml_backend_dev_backend_reg: UNARY,
  ggml_backend_reg_get_proc_address: { parameters: [P, "buffer"], result: P },
  ggml_backend_get_default_buffer_type: UNARY,
  ggml_backend_free: FREE,
  ggml_backend_graph_compute: { parameters: [P, P], result: I32 },
  computeAside: {
    name: "ggml_backend_graph_compute",
    parameters: [P, P],
    result: I32,
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** Of the front library, which keeps the list of backends. */
export const FRONT_SYMBOLS = {
  ggml_backend_load_all_from_path: { parameters: ["buffer"], result: "void" },
  ggml_backend_dev_count: { parameters: [], result: SIZE },
  ggml_backend_dev_get: { parameters: [SIZE], result: P },
} as const satisfies Deno.ForeignLibraryInterface;
