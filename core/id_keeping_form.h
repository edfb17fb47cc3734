/*
 * id_keeping_form.h - the lengths in a file of ids, for id_keeping.c and id_keeping_read.c.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_ID_KEEPING_FORM_H
#define SLUICE_CORE_ID_KEEPING_FORM_H

enum id_row_kind { ID_ROW_IDS = 1, ID_ROW_GONE = 2 };

#define ID_ROW_HEAD_BYTES 19u
#define ID_ITEM_BYTES 36u
#define ID_GONE_BYTES 8u

#endif
