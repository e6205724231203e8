// Version of this agent, as it reports itself; raised with each release of the project.
export const agentVersion = "0.1.0";
