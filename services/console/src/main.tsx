/** The console's way in: one root, one query cache, the kit around it. */
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { createQueries } from "./data.ts";
import { Kit } from "./kit.tsx";
import "./console.css";
import "./pages.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={createQueries()}>
      <Kit>
        <App />
      </Kit>
    </QueryClientProvider>
  </StrictMode>,
);
