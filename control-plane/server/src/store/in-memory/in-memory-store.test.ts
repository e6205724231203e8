// The in-memory store keeps the same contract as the database.
import { storeContract } from "../contract/store-contract.ts";
import { inMemoryStore } from "./in-memory-store.ts";

storeContract("the in-memory store", async () => inMemoryStore());
