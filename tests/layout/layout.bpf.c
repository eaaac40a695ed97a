// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One variable of every shared struct, so that its layout stands in this object's BTF. */
#include "event.h"
#include "recipe.h"
#include "settings.h"

struct conn_tuple a_conn_tuple;
struct event a_event;
struct event_conn_open a_event_conn_open;
struct event_connect a_event_connect;
struct event_shut a_event_shut;
struct event_conn_close a_event_conn_close;
struct event_data a_event_data;
struct event_mark a_event_mark;
struct event_task a_event_task;
struct event_unit a_event_unit;
struct event_listen a_event_listen;
struct settings a_settings;
struct capture_policy a_capture_policy;
struct event_name a_event_name;
struct recipe a_recipe;
