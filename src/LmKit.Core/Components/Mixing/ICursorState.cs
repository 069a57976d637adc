namespace LmKit;

/// <summary>A state that knows where its rows stand.</summary>
internal interface ICursorState
{
    /// <summary>Where the rows stand; a call replaces it by a moved copy.</summary>
    DocumentCursor Cursor { get; set; }
}
