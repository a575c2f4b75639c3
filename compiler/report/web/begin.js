"use strict";

Report.begin();
