/** The default of `openFilesPercent.restart`; a proxy takes no more clients than fit below it. */
export const OPEN_FILES_RESTART_PERCENT = 95;
