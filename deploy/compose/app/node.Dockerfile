# The same app in Node.
FROM node:22-slim
COPY package.json app.mjs /app/
RUN npm install --prefix /app --omit=dev --no-audit --no-fund
USER node
CMD ["node", "/app/app.mjs"]
