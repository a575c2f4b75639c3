// What the report uses of its libraries; bundled into vendor.min.js (npm ci && npm run build).
import { BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

import { defaultKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, codeFolding, foldEffect, foldGutter, foldKeymap, foldService, syntaxHighlighting, unfoldAll } from "@codemirror/language";
import { MergeView } from "@codemirror/merge";
import { SearchQuery, openSearchPanel, search, searchKeymap, setSearchQuery } from "@codemirror/search";
import { EditorState, RangeSetBuilder, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

echarts.use([BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart, AriaComponent, DataZoomComponent, GridComponent, LegendComponent,
  MarkLineComponent, TooltipComponent, VisualMapComponent, CanvasRenderer]);

export { echarts, Decoration, EditorState, EditorView, HighlightStyle, MergeView, RangeSetBuilder, SearchQuery, StateEffect, StateField, StreamLanguage,
  codeFolding, defaultKeymap, drawSelection, foldEffect, foldGutter, foldKeymap, foldService, highlightActiveLine, keymap, lineNumbers, openSearchPanel,
  search, searchKeymap, setSearchQuery, syntaxHighlighting, tags, unfoldAll };
