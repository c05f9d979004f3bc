/**
 * By which a thread of the program knows what it is to be: compiled, the program is one file.
 *
 * @module
 */

/** The name of the thread that keeps forms. */
export const FORM_WORKER = "kwaainet forms";

/** Whether this thread is that one. */
export const isFormWorker = (): boolean => (globalThis as { readonly name?: unknown }).name === FORM_WORKER;
