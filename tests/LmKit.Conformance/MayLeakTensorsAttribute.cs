namespace LmKit.Conformance;

/// <summary>Exempts a test from <see cref="NoTensorLeakAttribute"/> whose calls all end in exceptions: what they had built by then goes with its finalizers.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MayLeakTensorsAttribute : Attribute;
