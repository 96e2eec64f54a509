/** Placeholder: the real handler comes from the status branch. */
export async function handler(): Promise<void> {}
