namespace LmKit.Conformance;

/// <summary>Names the area of golden data that a <see cref="GoldenSuite"/> checks.</summary>
/// <param name="area">The sub-folder's name, such as <c>ssm</c>.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class GoldenAreaAttribute(string area) : Attribute
{
    /// <summary>The sub-folder's name.</summary>
    public string Area { get; } = area;
}
