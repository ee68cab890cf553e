/**
 * The default of `openFilesPercent.restart`, in percent of the limit of open files. A proxy accepts only as many clients as
 * fit below it.
 */
export const OPEN_FILES_RESTART_PERCENT = 95;
