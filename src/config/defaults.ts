/** The default of `openFilesPercent.restart`; a proxy takes no more clients than fit below it. */
export const OUT_OF_FILES_PERCENT = 95;
