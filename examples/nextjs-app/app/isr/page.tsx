/** Incremental static regeneration: served from the cache, rendered anew at most once a minute. */
export const revalidate = 60;

export default function IsrPage() {
  return (
    <>
      <h1>Incremental static regeneration</h1>
      <p>
        Rendered at <time>{new Date().toISOString()}</time>, and again a minute after that when somebody asks.
      </p>
    </>
  );
}
