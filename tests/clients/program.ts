// What a hospital's program does with the generated TypeScript types: says in JSON what it was told. Run by a test.
import createClient from "openapi-fetch";
import type { components, paths } from "./opendrape.js";

declare const process: { env: Record<string, string | undefined> };

type Problem = components["schemas"]["Problem"];
type Refusal = { error?: Problem; response: Response };

const baseUrl = process.env.OPENDRAPE_URL ?? "";
const signedIn = (key: string) => createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const admin = signedIn(process.env.OPENDRAPE_KEY ?? "");

function told<Answer>(answer: { data?: Answer; error?: Problem; response: Response }): Answer {
  if (answer.data === undefined) throw new Error(`${answer.response.status} ${answer.error?.reason}`);
  return answer.data;
}

function refused({ error, response }: Refusal): (number | string | null | undefined)[] {
  if (error === undefined) throw new Error(`${response.status} is no refusal`);
  if (response.headers.get("content-type") !== "application/problem+json") throw new Error("not a problem");
  return [response.status, error.status, error.reason];
}

// A new user's key: it sees no video of others; a stranger sees nothing at all.
async function keys(asset_id: string) {
  const made = told(await admin.POST("/api/keys/", { body: { label: "pacs", roles: ["user"] } }));
  const user = signedIn(made.key);
  const own = told(await user.GET("/api/videos/"));
  const params = { path: { asset_id } };
  const others = refused(await user.GET("/api/videos/{asset_id}/", { params }));
  const stranger = refused(await createClient<paths>({ baseUrl }).GET("/api/videos/{asset_id}/", { params }));
  return { roles: made.roles, own: own.videos.length, others, stranger };
}

// Ten frames of a segment: asked for, looked at, asked for twice, given up.
async function frames(asset_id: string) {
  const cut = { label: "cut", start_frame: 10, end_frame: 20 };
  const segment = told(
    await admin.POST("/api/videos/{asset_id}/segments/", { params: { path: { asset_id } }, body: cut }),
  );
  const body: components["schemas"]["FramesWish"] = {
    video_id: asset_id,
    segment_ids: [segment.id],
    anonymization_level: "faces",
    output_format: "png",
  };
  const once = { params: { header: { "Idempotency-Key": "one" } }, body };
  const started = told(await admin.POST("/api/frames/anonymize/", once));
  const replayed = told(await admin.POST("/api/frames/anonymize/", once));
  const again = refused(await admin.POST("/api/frames/anonymize/", { body }));
  const params = { path: { request_id: started.request_id } };
  const status = told(await admin.GET("/api/frames/anonymize/status/{request_id}/", { params }));
  const listed = told(
    await admin.GET("/api/frames/anonymize/requests/", { params: { query: { video_id: asset_id } } }),
  );
  const cancelled = told(await admin.DELETE("/api/frames/anonymize/{request_id}/", { params }));
  return {
    replayed: replayed.request_id === started.request_id,
    again,
    status: [status.status, status.processed_frames, status.total_frames],
    listed: listed.requests.map((one) => [
      one.anonymization_level,
      one.output_format,
      one.segment_ids.length === 1 && one.segment_ids[0] === segment.id,
    ]),
    cancelled: cancelled.status,
  };
}

// Twelve bytes in one form, and twelve by the upload protocol.
async function bringing() {
  const content = new TextEncoder().encode("twelve bytes");
  const sent = told(
    await admin.POST("/api/videos/", {
      body: { file: "op.mp4" },
      bodySerializer: ({ file }) => {
        const form = new FormData();
        form.append("file", new Blob([content], { type: "video/mp4" }), file);
        return form;
      },
    }),
  );
  const creation = { "Tus-Resumable": "1.0.0", "Upload-Length": content.length };
  const begun = await admin.POST("/api/uploads/", { params: { header: creation } });
  const upload_id = begun.response.headers.get("location")?.split("/").at(-2) ?? "";
  for (const [start, end] of [[0, 5], [5, 12]] as const) {
    const header = { "Tus-Resumable": "1.0.0", "Upload-Offset": start };
    const { response } = await admin.PATCH("/api/uploads/{upload_id}/", {
      params: { path: { upload_id }, header },
      headers: { "Content-Type": "application/offset+octet-stream" },
      body: "",
      bodySerializer: () => content.slice(start, end),
    });
    if (response.status !== 204) throw new Error(`${response.status} for bytes from ${start} on`);
  }
  const resumable = told(await admin.GET("/api/uploads/{upload_id}/", { params: { path: { upload_id } } }));
  return { form: [sent.state, sent.length], pieces: [resumable.state, resumable.offset, resumable.video] };
}

// Nothing is marked while the video is on its way, and there is no receipt yet.
async function marking(asset_id: string) {
  const params = { path: { asset_id } };
  const body: components["schemas"]["MarkedRegions"] = {
    regions: [{ x: 0, y: 0, width: 64, height: 48, start_frame: 0, must_be_solid: false }],
  };
  const marks = await admin.PUT("/api/videos/{asset_id}/regions/", { params, body });
  const receipt = await admin.GET("/api/videos/{asset_id}/receipt/", { params });
  const signed: string | undefined = receipt.data?.signature.value;
  return { marks: refused(marks)[0], receipt: signed ?? refused(receipt)[0] };
}

const page = told(await admin.GET("/api/videos/"));
const first = page.videos[0];
if (first === undefined || page.videos.length !== 1) throw new Error("one video was to be there");
const video = told(await admin.GET("/api/videos/{asset_id}/", { params: { path: { asset_id: first.id } } }));
if (video.media === null) throw new Error("it was to be probed");
console.log(
  JSON.stringify({
    video: [video.state, video.internal_state, video.media.frames, video.chunks.map((one) => one.end_frame)],
    keys: await keys(first.id),
    frames: await frames(first.id),
    uploads: await bringing(),
    marking: await marking(first.id),
  }),
);
