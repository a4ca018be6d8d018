/** The expendable process. */
export async function runWorkerProcess(): Promise<void> {}
